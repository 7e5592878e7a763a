// What the whole-model tests share: reference numbers from a safetensors file, and how ours are held against them.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/autograd.h"
#include "engine/io/safetensors.h"
#include "nn/rows.h"
#include "tests/ops/harness.h"

namespace lowland::test {

// Reference gradients are stored in f32: half a unit in the last place is 6e-8.
inline constexpr double kStored = 1e-7;

struct Golden {
  std::unique_ptr<Context> own = make_test_context(2);
  Context& context = *own;
  SafetensorsFile file;
  explicit Golden(const std::string& folder) : file(folder + "/golden.safetensors") {}

  std::vector<double> values(const std::string& name) {
    const Tensor t = Tensor::empty(context, file.info(name).shape, DType::f64);
    if (file.info(name).dtype[0] == 'I') {
      const Tensor whole = Tensor::empty(context, file.info(name).shape, DType::i64);
      file.read_into(name, whole);
      return whole.to(DType::f64).to_vector<double>();
    }
    file.read_into(name, t);
    return t.to_vector<double>();
  }
  std::vector<int32_t> ints(const std::string& name) {
    std::vector<int32_t> out;
    for (const double v : values(name)) out.push_back(static_cast<int32_t>(v));
    return out;
  }
  Tensor labels(const std::vector<int32_t>& values) {
    return Tensor::from<int32_t>(context, {static_cast<int64_t>(values.size())}, values);
  }
};

inline double norm(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

inline std::vector<double> host(const Tensor& t) { return t.to(DType::f64).to_vector<double>(); }

// How far PyTorch in bf16 is from the reference (tests/golden/make_bf16_bounds.py).
inline double bf16_bound(const std::string& model, const std::string& what) {
  std::ifstream file(source_dir() + "/tests/golden/bf16_bounds.json");
  return nlohmann::json::parse(file).at(model).at(what).get<double>();
}

// The norm of the difference of all gradients over their norm.
inline double gradient_difference(Golden& golden, const std::string& prefix,
                                  const std::function<Tensor(const std::string&)>& gradient) {
  double off = 0, size = 0;
  for (const TensorInfo& t : golden.file.tensors()) {
    if (t.name.rfind(prefix, 0) != 0) continue;
    std::vector<double> d = host(gradient(t.name.substr(prefix.size())));
    const std::vector<double> ref = golden.values(t.name);
    REQUIRE(d.size() == ref.size());
    for (size_t i = 0; i < d.size(); ++i) d[i] -= ref[i];
    off += norm(d) * norm(d);
    size += norm(ref) * norm(ref);
  }
  return std::sqrt(off / size);
}

// ||g - ref|| <= tolerance * max(||ref||, 1e-3 of the largest norm), for every gradient of the file.
inline void check_gradients(Golden& golden, const std::string& prefix, double tolerance,
                            const std::function<Tensor(const std::string&)>& gradient) {
  double largest = 0;
  int64_t checked = 0;
  for (const TensorInfo& t : golden.file.tensors())
    if (t.name.rfind(prefix, 0) == 0) largest = std::max(largest, norm(golden.values(t.name)));
  for (const TensorInfo& t : golden.file.tensors()) {
    if (t.name.rfind(prefix, 0) != 0) continue;
    const std::string name = t.name.substr(prefix.size());
    INFO(name);
    const Tensor g = gradient(name);
    REQUIRE(g.defined());
    std::vector<double> d = host(g);
    const std::vector<double> ref = golden.values(t.name);
    REQUIRE(d.size() == ref.size());
    for (size_t i = 0; i < d.size(); ++i) d[i] -= ref[i];
    CHECK(norm(d) <= tolerance * std::max(norm(ref), 1e-3 * largest));
    ++checked;
  }
  CHECK(checked > 5);
}

}  // namespace lowland::test
