#include "engine/io/safetensors_writer.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "kernels/common/half.h"
#include "engine/io/safetensors_head.h"

namespace lowland {
namespace {

constexpr int64_t kChunk = 1 << 18;  // elements converted at a time

// The reference implementation's order of dtypes, reversed: the later, the earlier in the file.
size_t dtype_order(const std::string& dtype) {
  static constexpr std::array<std::string_view, 16> order{"BOOL", "U8",  "I8",   "F8_E5M2", "F8_E4M3", "I16",
                                                          "U16",  "F16", "BF16", "I32",     "U32",     "F32",
                                                          "C64",  "F64", "I64",  "U64"};
  return std::find(order.begin(), order.end(), dtype) - order.begin();
}

std::string header_of(const std::vector<TensorInfo>& plan, const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json root;
  if (!metadata.empty()) root["__metadata__"] = metadata;
  for (const TensorInfo& t : plan) {
    root[t.name] = {{"dtype", t.dtype}, {"shape", t.shape}, {"data_offsets", {t.begin, t.end}}};
  }
  std::string text = root.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

void append_half(AtomicFile& file, const Tensor& x) {
  const Tensor wide = x.to(DType::f32);
  const HostBytes bytes(wide);
  const float* from = bytes.as<float>();
  std::vector<uint16_t> chunk;
  for (int64_t i = 0; i < x.numel(); i += kChunk) {
    const int64_t n = std::min(kChunk, x.numel() - i);
    chunk.resize(n);
    std::transform(from + i, from + i + n, chunk.begin(), float_to_half);
    file.write(chunk.data(), chunk.size() * sizeof(uint16_t));
  }
}

void append_converted(AtomicFile& file, const Tensor& x, DType dtype) {
  const Tensor flat = x.detach().reshape({x.numel()});
  for (int64_t i = 0; i < x.numel(); i += kChunk) {
    const Tensor part = flat.slice_rows(i, std::min(i + kChunk, x.numel())).to(dtype);
    file.write(HostBytes(part).data(), part.nbytes());
  }
}

}  // namespace

std::string safetensors_head(const std::string& path, std::vector<TensorInfo>& plan,
                             const std::map<std::string, std::string>& metadata) {
  std::sort(plan.begin(), plan.end(), [](const TensorInfo& a, const TensorInfo& b) {
    const size_t x = dtype_order(a.dtype), y = dtype_order(b.dtype);
    return x != y ? x > y : a.name < b.name;
  });
  size_t at = 0;
  for (size_t i = 0; i < plan.size(); ++i) {
    TensorInfo& t = plan[i];
    const size_t element = file_dtype_bytes(t.dtype);
    LL_CHECK(element > 0, "cannot write {}: tensor `{}` has the unknown dtype {}", path, t.name, t.dtype);
    const int64_t n = numel_of(t.shape);
    LL_CHECK(n > 0, "cannot write {}: tensor `{}` of shape {} has no elements", path, t.name, to_string(t.shape));
    t.begin = at;
    t.end = at += n * element;
  }
  std::vector<std::string> names;
  for (const TensorInfo& t : plan) names.push_back(t.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) fail("cannot write {}: tensor `{}` is given twice", path, *twice);
  const std::string header = header_of(plan, metadata);
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header;
}

SafetensorsWriter::SafetensorsWriter(const std::string& path, std::vector<TensorInfo> plan,
                                     const std::map<std::string, std::string>& metadata)
    : path_(path), plan_(std::move(plan)), file_(path) {
  file_.write(safetensors_head(path_, plan_, metadata));
}

const TensorInfo& SafetensorsWriter::next(const std::string& name) {
  LL_CHECK(done_ < plan_.size(), "cannot write {}: tensor `{}` is one more than planned", path_, name);
  const TensorInfo& t = plan_[done_];
  LL_CHECK(t.name == name, "cannot write {}: tensor `{}` is next, not `{}`", path_, t.name, name);
  ++done_;
  return t;
}

void SafetensorsWriter::append(const std::string& name, const Tensor& x) {
  const TensorInfo& t = next(name);
  LL_CHECK(x.defined() && x.shape() == t.shape, "cannot write {}: tensor `{}` is {}, planned as {}", path_, name,
           describe(x), to_string(t.shape));
  const bool whole = x.dtype() == DType::i32 || x.dtype() == DType::i64;
  if (t.dtype == file_dtype_of(x.dtype())) return file_.write(HostBytes(x).data(), x.nbytes());
  if (!whole && t.dtype == "F16") return append_half(file_, x);
  for (const DType to : {DType::f32, DType::f64, DType::bf16}) {
    if (!whole && t.dtype == file_dtype_of(to)) return append_converted(file_, x, to);
  }
  fail("cannot write {}: tensor `{}` is {} and cannot become {}", path_, name, name_of(x.dtype()), t.dtype);
}

void SafetensorsWriter::append_bytes(const std::string& name, std::string_view bytes) {
  const TensorInfo& t = next(name);
  LL_CHECK(bytes.size() == t.end - t.begin, "cannot write {}: tensor `{}` has {} bytes, {} were given", path_, name,
           t.end - t.begin, bytes.size());
  file_.write(bytes);
}

void SafetensorsWriter::finish() {
  LL_CHECK(done_ == plan_.size(), "cannot write {}: tensor `{}` is missing", path_, plan_[done_].name);
  file_.commit();
}

void save_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  std::vector<TensorInfo> plan;
  std::map<std::string, Tensor> by_name;
  for (const auto& [name, x] : tensors) {
    LL_CHECK(x.defined(), "cannot write {}: tensor `{}` is absent", path, name);
    plan.push_back({name, std::string(file_dtype_of(x.dtype())), x.shape(), 0, 0});
    by_name[name] = x;
  }
  SafetensorsWriter writer(path, std::move(plan), metadata);
  for (const TensorInfo& t : writer.plan()) writer.append(t.name, by_name.at(t.name));
  writer.finish();
}

}  // namespace lowland
