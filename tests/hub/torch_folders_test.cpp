// Folders of .bin files (tests/golden/make_torch_golden.py): what is read and written is what the same folder of
// safetensors files gives.
#include <doctest/doctest.h>

#include "engine/io/safetensors.h"
#include "models/hub/base_model.h"
#include "models/hub/folder_faults.h"
#include "models/hub/merge.h"
#include "models/roberta/family.h"
#include "tests/hub/hub_fixture.h"

using namespace lowland;
using namespace lowland::test;
namespace fs = std::filesystem;

namespace {

std::string torch_golden(const std::string& name) { return std::string(LL_SOURCE_DIR) + "/tests/golden/torch/" + name; }

// The golden folder with .bin files in place of its own weights.
void make(const std::string& name, const std::string& to) {
  fs::create_directories(to);
  for (const auto& entry : fs::directory_iterator(golden(name))) {
    if (entry.path().filename().string().find("safetensors") == std::string::npos) fs::copy(entry.path(), to);
  }
  for (const auto& entry : fs::directory_iterator(torch_golden(name))) fs::copy(entry.path(), to);
}

}  // namespace

TEST_CASE("torch folders: one file and shards have the weights of safetensors") {
  const Folder folder;
  for (const char* name : {"seqcls-f32", "seqcls-sharded"}) {
    make(name, folder / name);
    WeightMap bin(folder / name, "roberta"), safe(golden(name), "roberta");
    CHECK(bin.names() == safe.names());
    CHECK(bin.files().size() == safe.files().size());
    CHECK(bin.index().empty() == safe.index().empty());
    CHECK(fingerprint(bin) == fingerprint(safe));
    for (const std::string& n : bin.names())
      CHECK(bin.load(cpu(), n, DType::f32).to_vector<float>() == safe.load(cpu(), n, DType::f32).to_vector<float>());
  }
}

TEST_CASE("torch folders: safetensors comes first where both are there") {
  const Folder folder;
  fs::copy(golden("seqcls-f32"), folder / "m");
  write_file_atomically(folder / "m/pytorch_model.bin", "no such thing");
  CHECK(fingerprint(WeightMap(folder / "m", "roberta")) == fingerprint(WeightMap(golden("seqcls-f32"), "roberta")));
  fs::copy(golden("adapter-seqcls"), folder / "a");
  write_file_atomically(folder / "a/adapter_model.bin", "no such thing");
  CHECK(load_adapter(folder / "a").modules.size() == load_adapter(golden("adapter-seqcls")).modules.size());
}

TEST_CASE("torch folders: an adapter and a merge are those of safetensors") {
  const Folder folder;
  make("adapter-seqcls", folder / "adapter");
  const LoadedAdapter bin = load_adapter(folder / "adapter"), safe = load_adapter(golden("adapter-seqcls"));
  REQUIRE(bin.modules.size() == safe.modules.size());
  for (const LoraFactors& f : safe.modules) {
    REQUIRE(bin.find(f.module) != nullptr);
    CHECK(bin.find(f.module)->a == f.a);
    CHECK(bin.find(f.module)->b == f.b);
  }
  CHECK(bin.head.size() == safe.head.size());
  for (const std::string name : {"seqcls-f32", "seqcls-sharded"}) {
    make(name, folder / name);
    merge_adapter(folder / name, folder / "adapter", folder / (name + "-bin"), roberta_family());
    merge_adapter(golden(name), golden("adapter-seqcls"), folder / (name + "-safe"), roberta_family());
    size_t files = 0;
    for (const auto& entry : fs::directory_iterator(folder / (name + "-safe"))) {
      const std::string file = entry.path().filename().string();
      CAPTURE(file);
      CHECK(read_file(folder / (name + "-bin/" + file)) == read_file(entry.path().string()));
      ++files;
    }
    CHECK(std::distance(fs::directory_iterator(folder / (name + "-bin")), {}) == static_cast<std::ptrdiff_t>(files));
  }
}

TEST_CASE("torch folders: a file that asks for more than tensors is refused, with its name") {
  const Folder folder;
  make("seqcls-f32", folder / "m");
  const std::string content = read_file(folder / "m/pytorch_model.bin");
  std::string bad = content;
  const std::string from = "_rebuild_tensor_v2", to = "_rebuild_tensor_vX";
  bad.replace(bad.find(from), from.size(), to);
  write_file_atomically(folder / "m/pytorch_model.bin", bad);
  CHECK(has(complaint([&] { WeightMap(folder / "m", "roberta"); }),
            "m/pytorch_model.bin cannot be read: its pickle names `torch._utils._rebuild_tensor_vX`"));
}
