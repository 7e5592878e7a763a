// Llamas in other layouts become the folders that transformers has (tests/golden/make_llama_original_golden.py).
#include "models/llama/convert.h"

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/tensor_file.h"
#include "models/llama/config.h"
#include "models/tokenizers/tokenizer.h"
#include "tests/hub/hub_fixture.h"

using namespace lowland;
using namespace lowland::test;
namespace fs = std::filesystem;

namespace {

const std::string kOriginal = LL_SOURCE_DIR "/tests/golden/llama_original";
const std::string kTokenizers = LL_SOURCE_DIR "/tests/golden/tokenizer_llama";

}  // namespace

TEST_CASE("convert: Meta's files, one or several, are transformers' tensors bit by bit") {
  const Folder folder;
  const auto wanted = open_tensor_file(kOriginal + "/model.safetensors");
  for (const char* name : {"one", "two", "two-rows"}) {
    CAPTURE(name);
    const std::string out = folder / name;
    CHECK(convert_llama(kOriginal + "/" + name, kTokenizers + "/sp.model", out).tensors ==
          std::ssize(wanted->tensors()));
    const auto got = open_tensor_file(out + "/model.safetensors");
    REQUIRE(got->tensors().size() == wanted->tensors().size());
    for (const TensorInfo& t : wanted->tensors()) {
      CAPTURE(t.name);
      CHECK(got->info(t.name).dtype == t.dtype);
      CHECK(got->info(t.name).shape == t.shape);
      CHECK(got->bytes(t.name) == wanted->bytes(t.name));
    }
    const LlamaConfig config = LlamaConfig::from_folder(out);
    CHECK(config.intermediate_size == 24);
    CHECK(config.vocab_size == 40);
    CHECK(config.num_key_value_heads == 2);
    CHECK(config.rms_norm_eps == 1e-5);
    CHECK_FALSE(config.tie_word_embeddings);
    CHECK(load_tokenizer(out)->vocab_size() == load_tokenizer(kTokenizers + "/sp.model")->vocab_size());
  }
  CHECK_THROWS_WITH_AS(convert_llama(kOriginal + "/one", kTokenizers + "/sp.model", folder / "one"),
                       doctest::Contains("is there already, and not empty"), Error);
  CHECK_THROWS_WITH_AS(convert_llama(kOriginal + "/one", "", folder / "x"), doctest::Contains("there is no"), Error);
  CHECK_THROWS_WITH_AS(convert_llama(kTokenizers, "", folder / "x"), doctest::Contains("is neither a .bin file"),
                       Error);
}

// What transformers' convert_llama_weights_to_hf writes for 3.2: rope_scaling of these four, and this length.
TEST_CASE("convert: Llama 3's scaled positions are said as transformers' conversion says them") {
  const Folder folder;
  fs::copy(kOriginal + "/one", folder / "in");
  auto params = nlohmann::json::parse(read_file(folder / "in/params.json"));
  params.update({{"use_scaled_rope", true}, {"rope_theta", 500000.0}});
  write_file_atomically(folder / "in/params.json", params.dump());
  convert_llama(folder / "in", kTokenizers + "/sp.model", folder / "out");
  const auto config = nlohmann::json::parse(read_file(folder / "out/config.json"));
  const auto& scaling = config.contains("rope_scaling") ? config.at("rope_scaling") : config.at("rope_parameters");
  CHECK(scaling.at("rope_type") == "llama3");
  CHECK(scaling.at("factor") == 32.0);
  CHECK(scaling.at("low_freq_factor") == 1.0);
  CHECK(scaling.at("high_freq_factor") == 4.0);
  CHECK(scaling.at("original_max_position_embeddings") == 8192);
  CHECK(config.at("max_position_embeddings") == 131072);
  const LlamaConfig read = LlamaConfig::from_folder(folder / "out");
  CHECK(read.rope_scaling.type == "llama3");
  CHECK(read.rope_scaling.factor == 32);
  CHECK(read.rope_theta == 500000);
}

TEST_CASE("convert: a tokenizer.bin as tokenizer.model gives the same ids") {
  const Folder folder;
  std::string bin(4, '\0');
  const int32_t longest = 16;
  std::memcpy(bin.data(), &longest, 4);
  const auto add = [&](const std::string& piece, float score) {
    const auto length = static_cast<int32_t>(piece.size());
    bin.append(reinterpret_cast<const char*>(&score), 4);
    bin.append(reinterpret_cast<const char*>(&length), 4);
    bin += piece;
  };
  for (const char* piece : {"<unk>", "\n<s>\n", "\n</s>\n"}) add(piece, 0);
  for (int byte = 0; byte < 256; ++byte) add(fmt::format("<0x{:02X}>", byte), 0);
  float score = 0;
  for (const char* piece :
       {" t", "he", " a", " the", "in", " cat", "ca", "at", " c", " ", "t", "h", "e", "a", "i", "n", "c", "\u00e9"})
    add(piece, score--);
  std::ofstream(folder / "tokenizer.bin", std::ios::binary) << bin;
  write_file_atomically(folder / "tokenizer.model", sentencepiece_of_llama2c(folder / "tokenizer.bin"));
  const auto a = load_tokenizer(folder / "tokenizer.bin"), b = load_tokenizer(folder / "tokenizer.model");
  CHECK(a->vocab_size() == b->vocab_size());
  for (const char* text : {"the cat", "a tin hat", "caf\u00e9 \u4f60", "  the  ", "then\nin", "x<s>y"}) {
    CAPTURE(text);
    CHECK(a->encode(text, EncodeOptions{false}) == b->encode(text, EncodeOptions{false}));
  }
}
