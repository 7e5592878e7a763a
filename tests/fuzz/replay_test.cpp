// The targets of libFuzzer on golden files, whole, cut off and damaged: what tests/fuzz/run.sh does for longer. What is
// not an Error fails the test, and a sanitizer's build sees more.
#include <doctest/doctest.h>

#include <filesystem>

#include "engine/io/atomic_file.h"
#include "tests/fuzz/mutate.h"

using namespace lowland;
namespace fs = std::filesystem;

using Target = int(const uint8_t*, size_t);
Target fuzz_adapter_config, fuzz_config_json, fuzz_expression, fuzz_gguf, fuzz_hub_files, fuzz_jinja, fuzz_pickle,
    fuzz_picture, fuzz_records, fuzz_run_files, fuzz_safetensors, fuzz_settings_toml, fuzz_tokenizer_json,
    fuzz_tokenizer_model, fuzz_torch_file, fuzz_unigram, fuzz_vocabularies;

namespace {

constexpr size_t kLargest = 100'000;  // bytes of a file to begin with

// Golden files below a folder of tests/golden whose names end so.
std::vector<std::string> golden(const std::string& folder, const std::string& tail) {
  std::vector<std::string> paths, contents;
  for (const auto& entry : fs::recursive_directory_iterator(std::string(LL_SOURCE_DIR) + "/tests/golden/" + folder)) {
    if (entry.is_regular_file() && entry.file_size() <= kLargest && entry.path().string().ends_with(tail))
      paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) contents.push_back(read_file(path));
  return contents;
}

void replay(Target* target, const std::vector<std::string>& seeds, int rounds) {
  REQUIRE(!seeds.empty());
  std::mt19937 random(7);
  const auto run = [&](const std::string& input) {
    CHECK(target(reinterpret_cast<const uint8_t*>(input.data()), input.size()) == 0);
  };
  run("");
  for (const std::string& seed : seeds) run(seed);
  for (int i = 0; i < rounds; ++i) {
    const std::string& seed = seeds[random() % seeds.size()];
    run(i % 8 == 0 ? seed.substr(0, random() % (seed.size() + 1)) : mutate(seed, random, 0, seed.size()));
  }
}

}  // namespace

TEST_CASE("fuzz: files of torch.save") {
  replay(fuzz_torch_file, golden("torch", ".bin"), 2000);
  std::vector<std::string> pickles;
  for (const std::string& file : golden("torch", ".bin")) {
    const size_t start = file.find("\x80\x02");
    if (start != std::string::npos) pickles.push_back(file.substr(start));
  }
  replay(fuzz_pickle, pickles, 2000);
}

TEST_CASE("fuzz: gguf") { replay(fuzz_gguf, golden("gguf", ".gguf"), 300); }

TEST_CASE("fuzz: safetensors") { replay(fuzz_safetensors, golden("torch", ".safetensors"), 1000); }

TEST_CASE("fuzz: configurations") {
  replay(fuzz_config_json, golden("", "/config.json"), 300);
  replay(fuzz_adapter_config, golden("", "/adapter_config.json"), 300);
}

TEST_CASE("fuzz: tokenizers") {
  replay(fuzz_tokenizer_json, golden("tokenizer_llama", ".json"), 100);
  replay(fuzz_tokenizer_model, golden("tokenizer_llama", ".model"), 100);
}

TEST_CASE("fuzz: vocabularies, expressions and texts") {
  using namespace std::string_literals;
  const std::string folder = std::string(LL_SOURCE_DIR) + "/tests/golden/tokenizer_small/";
  replay(fuzz_vocabularies,
         {"\0"s + read_file(folder + "vocab.json") + "\0"s + read_file(folder + "merges.txt"),
          "\1[UNK]\n[CLS]\nhello\n##o\n"s, "\2IQ== 0\nIg== 1\nISI= 2\n"s, "\3\1\0\0\0"s},
         300);
  replay(fuzz_expression, {"\\p{L}+|\\d{1,3}|\\s+(?!\\S)\0a 12 b"s, "(?i:'s|'t)|[^\\r\\n\\p{L}]?x+\0It's"s}, 2000);
  replay(fuzz_unigram, {"\0abab \xc3\xa9"s, "\1" + std::string(300, 'a')}, 2000);
}

TEST_CASE("fuzz: templates, generation settings, cards and settings") {
  replay(fuzz_jinja,
         {"{% for m in messages %}{{ m.role | trim }}{% endfor %}", "{% macro f(x) %}{{ x }}{% endmacro %}{{ f(xs) }}"},
         2000);
  replay(fuzz_hub_files,
         {R"({"eos_token_id":[1,2],"do_sample":true})", R"({"format":1,"max_length":512,"method":{"method":"lora"}})"},
         1000);
  replay(fuzz_settings_toml, {"lr = 1e-3\nepochs = 3\n[data]\ntrain = [\"a\", \"b\"]\n"}, 1000);
}

TEST_CASE("fuzz: pictures") {
  std::vector<std::string> pictures = golden("images", ".png");
  for (const std::string& jpeg : golden("images", ".jpg")) pictures.push_back(jpeg);
  for (const char* kind : {".bmp", ".gif", ".tif", ".webp"})
    for (const std::string& picture : golden("image_formats", kind)) pictures.push_back(picture);
  replay(fuzz_picture, pictures, 500);
}

TEST_CASE("fuzz: records and runs") {
  using namespace std::string_literals;
  replay(fuzz_records,
         {"\0sentence\tlabel\none two\t0\n\"three\"\t1\n"s, "\1sentence,label\n\"a \"\"quoted\"\", text\",1\r\nb,0\r\n",
          "\2{\"sentence\":\"a\",\"label\":1}\n{\"sentence\":\"\\u00e9\",\"label\":0}\n",
          "\3[{\"prompt\":\"a\",\"completion\":\"b\"},{\"messages\":[{\"role\":\"user\",\"content\":\"c\"}]}]\n"},
         1000);
  replay(fuzz_run_files, {"{\"verb\":\"finetune\",\"settings\":{\"lr\":0.1,\"epochs\":3}}\0{\"step\":1,\"loss\":2}\n"s},
         500);
}
