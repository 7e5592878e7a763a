// Matrices that bitsandbytes quantised (tests/golden/make_bitsandbytes_golden.py), through a folder's weights.
#include <doctest/doctest.h>

#include <cstring>

#include "engine/context.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/safetensors.h"
#include "models/hub/weight_map.h"
#include "tests/data/temp_folder.h"

using namespace lowland;
using namespace lowland::test;

namespace {

const std::string kFolder = LL_SOURCE_DIR "/tests/golden/bitsandbytes";

Context& cpu() {
  static Context context;
  return context;
}

std::vector<float> expected(const char* name) {
  const SafetensorsFile file(kFolder + "/expected.safetensors");
  return file.load(cpu(), name, DType::f32).to_vector<float>();
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * 4) == 0;
}

// What is said of the golden with these bytes of its file instead of others, without the folder's name.
std::string fault(const std::string& bytes, const std::string& instead) {
  std::string file = read_file(kFolder + "/model.safetensors");
  const size_t at = file.find(bytes);
  REQUIRE(at != std::string::npos);
  file.replace(at, bytes.size(), instead);
  const TempFolder folder;
  folder.write("model.safetensors", file);
  std::string text = error_of([&] {
    WeightMap weights(folder.path());
    for (const std::string& name : weights.names()) weights.load(cpu(), name, DType::f32);
  });
  if (const size_t where = text.find(folder.path() + "/"); where != std::string::npos)
    text.erase(where, folder.path().size() + 1);
  return text;
}

}  // namespace

TEST_CASE("bitsandbytes: a quantised matrix is one weight, read as it is or as numbers, bit for bit") {
  WeightMap weights(kFolder);
  CHECK(weights.names() ==
        std::vector<std::string>{"model.k.weight", "model.norm.weight", "model.q.weight", "model.v.weight"});
  CHECK(weights.blocks() == std::map<std::string, DType>{{"model.k.weight", DType::nf4},
                                                         {"model.q.weight", DType::nf4_nested},
                                                         {"model.v.weight", DType::int8}});
  CHECK(weights.info("model.q.weight").shape == Shape{5, 3840});
  for (const auto& [name, type] : weights.blocks()) {
    const std::string weight = name;
    CAPTURE(weight);
    const Tensor numbers = weights.load(cpu(), name, DType::f32), blocks = Tensor::empty(cpu(), numbers.shape(), type);
    weights.read_into(name, blocks);
    CHECK(same_bits(blocks.to(DType::f32).to_vector<float>(), numbers.to_vector<float>()));
    const char part[] = {name[6], 0};
    const std::vector<float> want = expected(part);
    const std::vector<float> all = numbers.to_vector<float>();
    CHECK(same_bits({all.end() - static_cast<std::ptrdiff_t>(want.size()), all.end()}, want));
  }
  CHECK(weights.unused() == std::vector<std::string>{"model.norm.weight"});
}

TEST_CASE("bitsandbytes: what is missing, of another shape or no number is named") {
  CHECK(fault("model.q.weight.absmax", "model.q.weight.absmaX") ==
        "`model.q.weight` of model.safetensors is quantised by bitsandbytes, but there is no "
        "`model.q.weight.absmax` beside it");
  CHECK(fault("model.v.SCB", "model.v.SCC") ==
        "`model.v.weight` of model.safetensors is quantised by bitsandbytes, but there is no `model.v.SCB` "
        "beside it");
  CHECK(fault("[5, 3840]", "[5, 3904]") ==
        "`model.q.weight` of model.safetensors has 9600 bytes, its quant_state says shape (5,3904)");
  CHECK(fault("\"blocksize\": 64, \"dtype\": \"float32\", \"shape\": [3",
              "\"blocksize\": 96, \"dtype\": \"float32\", \"shape\": [3") ==
        "`model.k.weight` of model.safetensors is (3,64) in blocks of 96: rows must be whole blocks of 64 values");
  CHECK(contains(fault("{\"quant_type\"", "[\"quant_type\""), "says no shape and blocksize"));
  // a row's scale of int8, which the file has as f32
  const std::vector<float> scales =
      SafetensorsFile(kFolder + "/model.safetensors").load(cpu(), "model.v.SCB", DType::f32).to_vector<float>();
  const std::string bytes(reinterpret_cast<const char*>(scales.data() + 2), 4);
  CHECK(fault(bytes, std::string("\0\0\xc0\x7f", 4)) ==
        "`model.v.weight` of model.safetensors: row 2 has a scale that is NaN or infinite");
}
