// Folders as people have them who cannot go on: each is told what it is.
#include <doctest/doctest.h>

#include "models/hub/folder_faults.h"
#include "models/hub/hub_folder.h"
#include "models/hub/peft_adapter.h"
#include "tests/hub/hub_fixture.h"

using namespace lowland;
using namespace lowland::test;
namespace fs = std::filesystem;

namespace {

void link_to(const std::string& target, const std::string& path) {
  fs::create_directories(fs::path(path).parent_path());
  fs::create_symlink(target, path);
}

std::string resolving(const std::string& model) {
  return complaint([&] { resolve_model_folder(model); });
}

std::string opening(const std::string& folder) {
  return complaint([&] { WeightMap weights(folder, "model"); });
}

}  // namespace

TEST_CASE("folder faults: links that lead nowhere") {
  const Folder folder;
  const std::string snapshot = folder / "hub/models--acme--tiny/snapshots/abc";
  const Variable cache("HF_HOME", folder.path);
  link_to("../../blobs/1", snapshot + "/config.json");
  const std::string said =
      " is a link to ../../blobs/1, which is not there: the file was not downloaded, or deleted from "
      "the cache; `hf download` fetches it again";
  CHECK(resolving("acme/tiny") == snapshot + "/config.json" + said);
  CHECK(resolving(snapshot) == snapshot + "/config.json" + said);
  put(folder / "hub/models--acme--tiny/blobs/1");
  CHECK(resolving("acme/tiny") == "");
  for (const char* name : {"/tokenizer.json", "/model.safetensors", "/tokenizer.model", "/merges.txt"}) {
    link_to("../../blobs/2", snapshot + name);
    CHECK(has(resolving("acme/tiny"), snapshot + name + " is a link to ../../blobs/2"));
    fs::remove(snapshot + name);
  }
  link_to("../../blobs/2", snapshot + "/pytorch_model.bin");  // may stand beside safetensors
  CHECK(resolving("acme/tiny") == "");
  CHECK(has(opening(snapshot), "/pytorch_model.bin is a link to ../../blobs/2"));
  put(snapshot + "/model.safetensors.index.json", R"({"weight_map":{"w":"model-1.safetensors"}})");
  link_to("../../blobs/3", snapshot + "/model-1.safetensors");
  CHECK(has(opening(snapshot), "/model-1.safetensors is a link to ../../blobs/3"));
  put(folder / "a/adapter_config.json", R"({"peft_type":"LORA","target_modules":["q"],"r":1,"lora_alpha":1})");
  link_to("nowhere", folder / "a/adapter_model.safetensors");
  CHECK(has(complaint([&] { load_adapter(folder / "a"); }), "a/adapter_model.safetensors is a link to nowhere"));
}

TEST_CASE("folder faults: downloads that were not finished") {
  const Folder folder;
  const std::string left = folder / "m/.cache/huggingface/download/abc.123.incomplete";
  put(left);
  CHECK(resolving(folder / "m") == (folder / "m") + " has no config.json: its download was not finished (" + left +
                                       " is left of it); call the same again");
  put(folder / "m/config.json");
  CHECK(resolving(folder / "m") == "");
  CHECK(has(opening(folder / "m"), "has no weights: its download was not finished"));
  put(folder / "p/model.safetensors.part");
  CHECK(has(opening(folder / "p"), "p/model.safetensors.part is left of it"));
  put(folder / "hub/models--a--b/blobs/0f.incomplete");
  put(folder / "hub/models--a--b/snapshots/c/config.json");
  CHECK(has(opening(folder / "hub/models--a--b/snapshots/c"), "0f.incomplete is left of it"));
  put(folder / "l/config.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
  CHECK(resolving(folder / "l") ==
        (folder / "l/config.json") + " is a Git LFS pointer, not the file itself: `git lfs pull` fetches that");
  put(folder / "e/model.safetensors", "");
  CHECK(opening(folder / "e") == (folder / "e/model.safetensors") + " is empty: was the download cut off?");
}

TEST_CASE("folder faults: shards") {
  const Folder folder;
  put(folder / "s/model-00001-of-00002.safetensors");
  CHECK(opening(folder / "s") == (folder / "s") +
                                     " has shards of weights (model-00001-of-00002.safetensors) but not "
                                     "model.safetensors.index.json, which says what is in which: download that, too");
  put(folder / "b/pytorch_model-00001-of-00002.bin");
  put(folder / "b/pytorch_model-00002-of-00002.bin");
  CHECK(has(opening(folder / "b"), "(pytorch_model-00001-of-00002.bin, ...) but not pytorch_model.bin.index.json"));
  const std::string index = folder / "i/pytorch_model.bin.index.json";
  put(index, R"({"weight_map":{"a":"1.bin","b":"2.bin","c":"3.bin","d":"4.bin"}})");
  CHECK(opening(folder / "i") ==
        index + " names 1.bin, 2.bin, 3.bin, ..., which are not there (4 of 4 files): was the download cut off?");
  put(index, R"({"weight_map":{}})");
  CHECK(opening(folder / "i") == index + " names no tensors");
}

TEST_CASE("folder faults: folders of other programs") {
  const Folder folder;
  put(folder / "meta/consolidated.00.pth");
  put(folder / "meta/params.json");
  CHECK(has(resolving(folder / "meta"), "holds a model in its makers' own layout (consolidated.00.pth)"));
  CHECK(has(resolving(folder / "meta"), "convert_llama_weights_to_hf.py"));
  put(folder / "params/params.json");
  CHECK(has(resolving(folder / "params"), "makers' own layout (params.json)"));
  put(folder / "gguf/m-Q4.gguf");
  CHECK(resolving(folder / "gguf") == "");
  CHECK(resolving(folder / "gguf/m-Q4.gguf") == "");
  put(folder / "gguf/m-Q8.gguf");
  CHECK(has(resolving(folder / "gguf"), "has several GGUF files: name one of them as --model: m-Q4.gguf, m-Q8.gguf"));
  put(folder / "gguf/config.json");
  CHECK(resolving(folder / "gguf") == "");
  CHECK(has(opening(folder / "gguf"), "name the file itself as --model"));
  for (const auto& [file, flag] : {std::pair{"tf_model.h5", "from_tf=True"},
                                   {"flax_model.msgpack", "from_flax=True"},
                                   {"model.ckpt.index", "from_tf=True"},
                                   {"tf_model.h5.index.json", "from_tf=True"}}) {
    const Folder other;
    put(other / "config.json");
    put(other / file);
    CHECK(resolving(other.path) == "");
    CHECK(has(opening(other.path), flag));
  }
  put(folder / "adapter/adapter_config.json");
  CHECK(has(resolving(folder / "adapter"), "holds an adapter, not a model: give it as --adapter"));
}

TEST_CASE("folder faults: the original layout of LLaVA") {
  const Folder folder;
  const std::string file = folder / "config.json";
  const std::string said = file + " is of the original LLaVA layout (";
  put(file, R"({"architectures":["LlavaLlamaForCausalLM"],"model_type":"llava"})");
  CHECK(has(resolving(folder.path), said + "LlavaLlamaForCausalLM, mm_vision_tower)"));
  CHECK(has(resolving(folder.path), "llava-hf/llava-1.5-7b-hf"));
  put(file, R"({"architectures":["LlavaMistralForCausalLM"]})");
  CHECK(has(resolving(folder.path), said + "LlavaMistralForCausalLM"));
  put(file, R"({"model_type":"llava_llama","mm_vision_tower":"openai/clip-vit-large-patch14-336"})");
  CHECK(has(resolving(folder.path), said));
  put(file, R"({"architectures":["LlavaForConditionalGeneration"],"model_type":"llava"})");
  CHECK(resolving(folder.path) == "");
  put(file, "[1");
  CHECK(resolving(folder.path) == "");  // its reader says what is wrong
}
