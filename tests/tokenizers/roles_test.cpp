// Which token has which role: by the files of a folder, in transformers' order.
#include "engine/error.h"
#include "tests/tokenizers/cases.h"

using namespace lowland;
using namespace lowland::test;

namespace {

// A folder of words with special tokens, and what its two small files say.
std::unique_ptr<Tokenizer> load(const std::string& map, const std::string& config) {
  const TemporaryFolder folder;
  json vocab = json::object();
  for (const char* word : {"<unk>", "<s>", "</s>", "<sep>", "<eot>", "<cls>", "a", "b"}) vocab[word] = vocab.size();
  const json model = {{"type", "WordLevel"}, {"vocab", vocab}, {"unk_token", "<unk>"}};
  const json file = {{"added_tokens", json::array()}, {"pre_tokenizer", {{"type", "Whitespace"}}}, {"model", model}};
  folder.write("tokenizer.json", file.dump());
  if (!map.empty()) folder.write("special_tokens_map.json", map);
  if (!config.empty()) folder.write("tokenizer_config.json", config);
  return load_tokenizer(folder.string());
}

}  // namespace

TEST_CASE("roles: a sep_token is not what a decoder ends with, nor a cls_token what it begins with") {
  const auto tokenizer =
      load("", R"({"eos_token": "</s>", "sep_token": "<sep>", "bos_token": "<s>", "cls_token": "<cls>"})");
  const SpecialIds& special = tokenizer->special();
  CHECK(Ids{special.bos, special.eos, special.cls, special.sep} == Ids{1, 2, 5, 3});
}

TEST_CASE("roles: where no cls and sep are named they are bos and eos") {
  const auto tokenizer = load("", R"({"eos_token": "<eot>", "bos_token": "<s>"})");
  const SpecialIds& special = tokenizer->special();
  CHECK(Ids{special.bos, special.eos, special.cls, special.sep} == Ids{1, 4, 1, 4});
}

TEST_CASE("roles: special_tokens_map.json counts only where tokenizer_config.json has no added_tokens_decoder") {
  const std::string map = R"({"eos_token": "</s>"})";
  CHECK(load(map, R"({"eos_token": "<eot>"})")->special().eos == 2);
  CHECK(load(map, R"({"eos_token": "<eot>", "added_tokens_decoder": {}})")->special().eos == 4);
}

TEST_CASE("roles: a token that the vocabulary lacks is told, and an error where it is needed") {
  const auto lacking = load("", R"({"eos_token": "<|end|>", "pad_token": null})");
  CHECK(lacking->special().eos == -1);
  REQUIRE(lacking->notes().size() == 1);
  CHECK(lacking->notes()[0].find("the eos_token '<|end|>' is not in the vocabulary") != std::string::npos);
  try {
    (void)lacking->need(&SpecialIds::eos);
    CHECK(false);
  } catch (const Error& e) {
    CHECK(std::string(e.what()).find("its eos_token is '<|end|>', which the vocabulary lacks") != std::string::npos);
  }
  try {
    (void)lacking->need(&SpecialIds::mask);
    CHECK(false);
  } catch (const Error& e) {
    CHECK(std::string(e.what()).find("the tokenizer has no mask_token") != std::string::npos);
  }
  CHECK(lacking->need(&SpecialIds::bos) == 1);
}

TEST_CASE("roles: a tokenizer longer than the model's table is a note, an id above it an error") {
  const auto tokenizer = load("", R"({"eos_token": "b"})");
  tokenizer->limit_to(8);
  CHECK(tokenizer->notes().empty());
  tokenizer->limit_to(7);
  REQUIRE(tokenizer->notes().size() == 1);
  CHECK(tokenizer->notes()[0].find("the tokenizer has 8 ids, the model 7") != std::string::npos);
  CHECK(tokenizer->encode("a a") == Ids{6, 6});
  CHECK_THROWS_AS(tokenizer->encode("a b"), Error);
  CHECK_THROWS_AS((void)tokenizer->need(&SpecialIds::eos), Error);
  Ids out;
  CHECK_THROWS_AS(tokenizer->build_inputs(Ids{7}, std::nullopt, 0, out), Error);
}
