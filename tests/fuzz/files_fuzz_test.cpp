// Damaged files must be refused with an Error or read; never a crash, a hang or another exception. Build with
// LOWLAND_SANITIZE=ON to see what a plain build forgives.
#include <doctest/doctest.h>

#include <unistd.h>

#include <filesystem>
#include <random>

#include "engine/error.h"
#include "engine/io/safetensors_writer.h"
#include "models/hub/base_model.h"
#include "models/hub/peft_adapter.h"
#include "models/roberta/config.h"
#include "tests/fuzz/mutate.h"

using namespace lowland;
namespace fs = std::filesystem;

namespace {

struct Folder {
  std::string path = (fs::temp_directory_path() / fmt::format("lowland-fuzz-{}", ::getpid())).string();
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

// Plain writing, to a new file each time: thousands of synced or truncated files would take minutes.
void put(const std::string& path, const std::string& content) {
  std::remove(path.c_str());
  std::FILE* file = std::fopen(path.c_str(), "wb");
  REQUIRE(file != nullptr);
  std::fwrite(content.data(), 1, content.size(), file);
  std::fclose(file);
}

std::string golden(const std::string& name) { return std::string(LL_SOURCE_DIR) + "/tests/golden/hub/" + name; }

Context& cpu() {
  static Context context;
  return context;
}

// Reads all that the file offers. True if it was accepted.
bool try_file(const std::string& path) {
  try {
    const SafetensorsFile file(path);
    for (const TensorInfo& t : file.tensors()) {
      if (file_dtype_bytes(t.dtype) == 0) continue;
      for (const DType dtype : {DType::f32, DType::bf16, DType::i64}) {
        try {
          const Tensor x = file.load(cpu(), t.name, dtype);
          if (x.nbytes() > 0) CHECK(x.to(DType::f64).numel() == x.numel());
        } catch (const Error&) {}
      }
    }
    return true;
  } catch (const Error&) {
    return false;
  }
}

// The header's length follows its text, so that mutations reach the parser.
std::string with_length(const std::string& header, const std::string& data) {
  const uint64_t n = header.size();
  return std::string(reinterpret_cast<const char*>(&n), 8) + header + data;
}

}  // namespace

TEST_CASE("fuzz: every truncation of a safetensors file is refused") {
  const Folder folder;
  const std::string path = folder.path + "/x.safetensors";
  save_safetensors(path,
                   {{"a", Tensor::zeros(cpu(), {2, 3}, DType::f32)}, {"b", Tensor::zeros(cpu(), {5}, DType::bf16)}});
  const std::string whole = read_file(path);
  CHECK(try_file(path));
  for (size_t n = 0; n < whole.size(); ++n) {
    put(path, whole.substr(0, n));
    if (try_file(path)) CHECK_MESSAGE(false, "accepted when cut off after " << n << " bytes");
  }
  put(path, whole + "x");
  CHECK(!try_file(path));
}

TEST_CASE("fuzz: random damage to a header") {
  const Folder folder;
  const std::string path = folder.path + "/x.safetensors";
  save_safetensors(path, {{"a", Tensor::zeros(cpu(), {2, 3}, DType::f32)},
                          {"b", Tensor::zeros(cpu(), {5}, DType::bf16)},
                          {"c", Tensor::zeros(cpu(), {2}, DType::i64)}});
  const std::string whole = read_file(path);
  uint64_t n = 0;
  std::memcpy(&n, whole.data(), 8);
  const std::string header = whole.substr(8, n), data = whole.substr(8 + n);
  std::mt19937 random(1);
  int accepted = 0;
  for (int i = 0; i < 6000; ++i) {
    put(path, i % 4 == 0 ? mutate(whole, random, 0, whole.size())
                         : with_length(mutate(header, random, 0, header.size()), data));
    accepted += try_file(path) ? 1 : 0;
  }
  CHECK(accepted < 6000);
  CHECK(accepted > 0);  // some damage is harmless: a changed name
}

TEST_CASE("fuzz: deep nesting and huge claims") {
  const Folder folder;
  const std::string path = folder.path + "/x.safetensors";
  put(path, with_length("{\"a\":" + std::string(1'000'000, '['), ""));
  CHECK(!try_file(path));
  put(path, with_length("{\"a\":" + std::string(200'000, '[') + std::string(200'000, ']') + "}", ""));
  CHECK(!try_file(path));
  put(path,
      with_length(R"({"a":{"dtype":"F32","shape":[0,9223372036854775807,9223372036854775807],"data_offsets":[0,0]}})",
                  ""));
  try_file(path);
  put(path, with_length(R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,0]}})", ""));
  CHECK(!try_file(path));
}

TEST_CASE("fuzz: random damage to config.json, an index, adapter_config.json and adapter tensors") {
  const Folder folder;
  std::mt19937 random(2);
  const std::string config = read_file(golden("seqcls-f32/config.json"));
  const std::string adapter = read_file(golden("adapter-patterns/adapter_config.json"));
  const std::string index = read_file(golden("seqcls-sharded/model.safetensors.index.json"));
  const std::string weights = read_file(golden("adapter-seqcls/adapter_model.safetensors"));
  int read = 0;
  const auto attempt = [&](const auto& f) {
    try {
      f();
      ++read;
    } catch (const Error&) {}
  };
  for (int i = 0; i < 3000; ++i) {
    attempt([&] { RobertaConfig::from_json(mutate(config, random, 0, config.size()), "config.json").to_json(); });
    attempt([&] {
      const auto c = AdapterConfig::from_json(mutate(adapter, random, 0, adapter.size()), "adapter_config.json");
      c.targets("roberta.encoder.layer.0.attention.self.key");
      c.scale_of("roberta.encoder.layer.1.attention.self.key");
    });
  }
  for (const auto& entry : fs::directory_iterator(golden("seqcls-sharded"))) {
    if (entry.path().extension() == ".safetensors") fs::copy(entry.path(), folder.path);
  }
  for (int i = 0; i < 300; ++i) {
    put(folder.path + "/model.safetensors.index.json", mutate(index, random, 0, index.size()));
    attempt([&] { fingerprint(WeightMap(folder.path, "roberta")); });
  }
  fs::copy(golden("adapter-seqcls/adapter_config.json"), folder.path);
  uint64_t n = 0;
  std::memcpy(&n, weights.data(), 8);
  for (int i = 0; i < 1000; ++i) {
    put(folder.path + "/adapter_model.safetensors",
        with_length(mutate(weights.substr(8, n), random, 0, n), weights.substr(8 + n)));
    attempt([&] { load_adapter(folder.path); });
  }
  CHECK(read > 0);
}
