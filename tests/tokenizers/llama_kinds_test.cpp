// The kinds of Llama, Mistral and Qwen2 against tokenizers, sentencepiece, tiktoken and llama2.c's rules: the
// files that tests/golden/make_llama_tokenizer_golden.py wrote.
#include "engine/error.h"
#include "tests/shared_data.h"
#include "tests/tokenizers/cases.h"

using namespace lowland;
using namespace lowland::test;

namespace {

fs::path llama_folder() { return golden_folder() / "tokenizer_llama"; }

const json& golden() {
  static const json file = json::parse(read_file(golden_folder() / "llama_tokenizer_golden.json"));
  return file;
}

// A tokenizer.json with the parts that a variant replaces.
std::string patched(const std::string& base, const json& patch) {
  json file = json::parse(read_file(llama_folder() / base));
  for (const auto& [key, value] : patch.items()) {
    if (key == "model")
      file[key].update(value);
    else
      file[key] = value;
  }
  return file.dump();
}

void check_variants(const std::string& base, const json& variants) {
  for (const json& variant : variants) {
    CAPTURE(variant.at("name").get<std::string>());
    const TemporaryFolder folder;
    folder.write("tokenizer.json", patched(base, variant.at("patch")));
    const auto tokenizer = load_tokenizer(folder.string());
    check_all(*tokenizer, variant.at("cases"));
    const Ids a = tokenizer->encode("Hello"), b = tokenizer->encode("world");
    Ids single, pair;
    tokenizer->build_inputs(a, std::nullopt, 0, single);
    CHECK(single == variant.at("single").get<Ids>());
    if (variant.at("name") == "first") continue;  // there a second text is not at the start of a text
    tokenizer->build_inputs(a, b, 0, pair);
    CHECK(pair == variant.at("pair").get<Ids>());
  }
}

}  // namespace

TEST_CASE("llama: SentencePiece-style tokenizer.json, every form of its components") {
  check_variants("sp.json", golden().at("sp"));
}

TEST_CASE("llama: byte-level tokenizer.json with an expression of its own, ignore_merges, NFC, digits") {
  check_variants("bytes.json", golden().at("bytes"));
}

TEST_CASE("llama: sentencepiece's tokenizer.model, legacy and not") {
  for (const json& model : golden().at("model")) {
    const TemporaryFolder folder;
    fs::copy(llama_folder() / "sp.model", folder.path() / "tokenizer.model");
    const bool legacy = model.at("legacy").get<bool>();
    CAPTURE(legacy);
    if (!legacy) folder.write("tokenizer_config.json", R"({"legacy": false, "add_eos_token": true})");
    const auto tokenizer = load_tokenizer(folder.string());
    check_all(*tokenizer, model.at("cases"));
    const SpecialIds& special = tokenizer->special();
    CHECK(Ids{special.unk, special.bos, special.eos} == Ids{0, 1, 2});
    Ids around;
    tokenizer->build_inputs(Ids{7}, std::nullopt, 0, around);
    CHECK(around == (legacy ? Ids{1, 7} : Ids{1, 7, 2}));
    // What follows a special token has a mark in front only in the legacy form.
    CHECK(tokenizer->piece(tokenizer->encode("<s>a").at(1)).starts_with("\u2581") == legacy);
  }
}

TEST_CASE("llama: tiktoken's tokenizer.model of Llama 3") {
  const TemporaryFolder folder;
  fs::copy(llama_folder() / "bytes.model", folder.path() / "tokenizer.model");
  const auto llama3 = load_tokenizer(folder.string());
  check_all(*llama3, golden().at("tiktoken"));
  const int32_t count = llama3->vocab_size() - 256;
  CHECK(llama3->special().bos == count);
  CHECK(llama3->special().eos == count + 1);
  CHECK(llama3->id_of("<|eot_id|>") == count + 9);
  CHECK(llama3->id_of("<|reserved_special_token_250|>") == count + 255);
  CHECK(llama3->id_of("<|python_tag|>") == -1);
  folder.write("params.json", R"({"use_scaled_rope": true})");
  const auto llama31 = load_tokenizer((folder.path() / "tokenizer.model").string());
  CHECK(llama31->id_of("<|finetune_right_pad_id|>") == count + 4);
  CHECK(llama31->id_of("<|python_tag|>") == count + 10);
  CHECK(llama31->id_of("<|reserved_special_token_247|>") == count + 255);
  CHECK(llama31->encode("Hello<|eot_id|>") == llama3->encode("Hello<|eot_id|>"));
}

TEST_CASE("llama: llama2.c's table, by run.c's rules") {
  const auto tokenizer = load_tokenizer((llama_folder() / "table.bin").string());
  check_all(*tokenizer, golden().at("llama2c"));
  Ids around;
  tokenizer->build_inputs(tokenizer->encode(""), std::nullopt, 0, around);
  CHECK(around == Ids{1});
  CHECK(tokenizer->encode("<s>").size() > 1);
}

TEST_CASE("shared: the released files of Llama 2 and 3" * doctest::skip(lacks("tokenizers/llama2/tokenizer.model"))) {
  const fs::path shared = shared_data();
  const auto llama2 = load_tokenizer((shared / "tokenizers/llama2/tokenizer.model").string());
  CHECK(llama2->vocab_size() == 32000);
  CHECK(llama2->encode("Hello <s>.").back() == 869);  // legacy, where no file says otherwise
  const auto llama3 = load_tokenizer((shared / "tokenizers/llama3").string());
  CHECK(llama3->vocab_size() == 128256);
  CHECK(llama3->encode("Hello world<|eot_id|>") == Ids{9906, 1917, 128009});
  const auto stories = load_tokenizer((shared / "weights/stories260K/tok512.bin").string());
  CHECK(stories->vocab_size() == 512);
  const std::string story = read_file(shared / "weights/stories260K/greedy200.txt");
  CHECK(stories->decode(stories->encode(story)) == story);
}

TEST_CASE("llama: verbatim stretches make no special token") {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", patched("sp.json", golden().at("sp").at(0).at("patch")));
  const auto tokenizer = load_tokenizer(folder.string());
  const std::string text = "<s>a </s> b</s>";
  const std::vector<TextRange> verbatim = {{3, 11}};
  Ids ids, plain = tokenizer->encode("a </s> b", {.parse_special = false});
  tokenizer->encode(text, {.parse_special = true, .verbatim = verbatim}, *tokenizer->make_scratch(), ids);
  Ids expected = {1};
  expected.insert(expected.end(), plain.begin(), plain.end());
  expected.push_back(2);
  CHECK(ids == expected);
  CHECK_THROWS_WITH_AS(tokenizer->encode("\xff", {.verbatim = verbatim}),
                       "a text with verbatim stretches is not valid UTF-8", Error);
}

TEST_CASE("llama: ends are where the text of each id ends") {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", patched("sp.json", golden().at("sp").at(0).at("patch")));
  const auto tokenizer = load_tokenizer(folder.string());
  const std::string text = "Bennet  said 日<s> it";
  Ids ids;
  std::vector<uint32_t> ends;
  tokenizer->encode_with_ends(text, {}, ids, ends);
  size_t begin = 0;
  std::string rebuilt;
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string_view piece = tokenizer->piece(ids[i]);
    const std::string part = text.substr(begin, ends[i] - begin);
    if (!piece.starts_with("<0x")) {
      std::string shown(piece);
      for (size_t at; (at = shown.find("\u2581")) != std::string::npos;) shown.replace(at, 3, " ");
      // The dummy prefix of a stretch is no part of the text.
      CHECK((shown == part || shown == " " + part));
    }
    begin = ends[i];
    rebuilt += part;
  }
  CHECK(rebuilt == text);
}
