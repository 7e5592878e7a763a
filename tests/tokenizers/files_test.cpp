// Bad folders: each ends in one sentence that names the file.
#include <doctest/doctest.h>

#include <functional>

#include "engine/error.h"
#include "models/tokenizers/tokenizer.h"
#include "tests/tokenizers/support.h"

using namespace lowland;
using namespace lowland::test;
using nlohmann::json;

namespace {

std::string error_of(const TemporaryFolder& folder) {
  try {
    load_tokenizer(folder.string());
  } catch (const Error& e) {
    const std::string text = e.what(), prefix = folder.string() + "/";
    REQUIRE(text.find('\n') == std::string::npos);
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
  }
  return "no error";
}

std::string error_of_files(const std::string& vocab, const std::string& merges) {
  const TemporaryFolder folder;
  folder.write("vocab.json", vocab);
  folder.write("merges.txt", merges);
  std::string text = error_of(folder);
  for (size_t at; (at = text.find(folder.string() + "/")) != std::string::npos;)
    text.erase(at, folder.string().size() + 1);
  return text;
}

std::string error_of_json(const std::function<void(json&)>& edit) {
  json file = json::parse(read_file(small_folder() / "tokenizer.json"));
  edit(file);
  const TemporaryFolder folder;
  folder.write("tokenizer.json", file.dump());
  return error_of(folder);
}

}  // namespace

TEST_CASE("load_tokenizer: missing files") {
  CHECK_THROWS_WITH_AS(load_tokenizer("/no/such/folder"),
                       "/no/such/folder: there is no such file or folder to read a tokenizer from", Error);
  const TemporaryFolder folder;
  CHECK(error_of(folder).find("no tokenizer here: neither tokenizer.json, nor") != std::string::npos);
  folder.write("vocab.json", "{}");
  CHECK(error_of(folder) == "merges.txt: cannot be opened for reading");
}

TEST_CASE("load_tokenizer: bad vocab.json and merges.txt") {
  const std::string vocab = read_file(small_folder() / "vocab.json"), merges = read_file(small_folder() / "merges.txt");
  CHECK(error_of_files(vocab, merges) == "no error");
  CHECK(error_of_files(vocab, merges + "\n") == "no error");
  CHECK(error_of_files("{\"a\": 1,, ", merges) == "vocab.json: not valid JSON, at byte 9");
  CHECK(error_of_files("", merges) == "vocab.json: not valid JSON, at byte 1");
  CHECK(error_of_files("[1]", merges) == "vocab.json: the vocabulary is not a JSON object of pieces and ids");
  CHECK(error_of_files("{\"a\": -1}", merges).starts_with("vocab.json: the id of 'a' is -1, not a whole number"));
  CHECK(error_of_files("{\"a\": 4000000000}", merges).starts_with("vocab.json: the id of 'a' is 4000000000, not"));
  CHECK(error_of_files("{\"a\": 1, \"b\": 1}", merges) == "vocab.json: 'a' and 'b' have the same id 1");
  CHECK(error_of_files("{\"a\": 1}", "") == "no error");  // bytes that it lacks are left out of a text
  CHECK(error_of_files(vocab, "#version: 0.2\nh e\nhe\n") ==
        "merges.txt:3: 'he' is not a merge: two pieces with one space between them");
  CHECK(error_of_files(vocab, "h e\nh e r\n") ==
        "merges.txt:2: 'h e r' is not a merge: two pieces with one space between them");
  CHECK(error_of_files(vocab, "h e\n\nh e\n").starts_with("merges.txt:2: '' is not a merge"));
  CHECK(error_of_files(vocab, "#version: 0.2\nh e\nq q\n") ==
        "merges.txt:3: the result 'qq' of the merge 'q q' is not in the vocabulary (vocab.json)");
  CHECK(error_of_files(vocab, "qq q\n") ==
        "merges.txt:1: the left half 'qq' of the merge 'qq q' is not in the vocabulary (vocab.json)");
}

TEST_CASE("load_tokenizer: parts of tokenizer.json that are not reproduced are refused by name") {
  CHECK(error_of_json([](json&) {}) == "no error");
  const auto error_of_part = [](const char* part, const json& value) {
    return error_of_json([&](json& f) { f[part] = value; });
  };
  CHECK(error_of_json([](json& f) { f["model"]["type"] = "Oracle"; }) ==
        "tokenizer.json: model Oracle is not reproduced");
  CHECK(error_of_json([](json& f) { f["model"]["dropout"] = 0.1; }) ==
        "tokenizer.json: model BPE with dropout is not reproduced");
  CHECK(error_of_part("normalizer", {{"type", "Rot13"}}) == "tokenizer.json: normalizer Rot13 is not reproduced");
  CHECK(error_of_part("pre_tokenizer", {{"type", "UnicodeScripts"}}) ==
        "tokenizer.json: pre_tokenizer UnicodeScripts is not reproduced");
  CHECK(error_of_part("pre_tokenizer", {{"type", "Metaspace"}, {"prepend_scheme", "last"}}) ==
        "tokenizer.json: Metaspace with prepend_scheme last is not reproduced");
  CHECK(error_of_part("pre_tokenizer", {{"type", "Punctuation"}, {"behavior", "Swapped"}}) ==
        "tokenizer.json: pre_tokenizer Punctuation with behavior 'Swapped' is not reproduced");
  CHECK(error_of_part("pre_tokenizer", {{"type", "FixedLength"}, {"length", 0}}) ==
        "tokenizer.json: the pre_tokenizer FixedLength has the length 0");
  const json split = {{"type", "Split"}, {"pattern", {{"Regex", "\\X"}}}, {"behavior", "Isolated"}};
  CHECK(error_of_part("pre_tokenizer", split) ==
        "tokenizer.json: the expression '\\X' has \\X, which is not reproduced");
  CHECK(error_of_part("post_processor", {{"type", "Envelope"}}) ==
        "tokenizer.json: post_processor Envelope is not reproduced");
  const json map = {{"type", "Precompiled"}, {"precompiled_charsmap", "////AAAA"}};
  CHECK(error_of_part("normalizer", map).starts_with("tokenizer.json: the character map's trie has"));
}

TEST_CASE("load_tokenizer: malformed tokenizer.json") {
  CHECK(error_of_json([](json& f) {
          f.erase("model");
        }).starts_with("tokenizer.json: not laid out as the tokenizers library"));
  CHECK(error_of_json([](json& f) { f["model"].erase("vocab"); }) == "tokenizer.json: the model has no vocabulary");
  CHECK(error_of_json([](json& f) { f["model"].erase("merges"); }) ==
        "tokenizer.json: the model has no list of merges");
  CHECK(error_of_json([](json& f) { f["model"]["merges"][3] = "abc"; }) ==
        "tokenizer.json: merge 3 is \"abc\", not a pair of pieces");
  CHECK(error_of_json([](json& f) {
          f["model"]["merges"][3] = {"q", "q"};
        }).starts_with("tokenizer.json: merge 3: the result 'qq' of the merge 'q q' is not in"));
  CHECK(error_of_json([](json& f) { f["added_tokens"][0]["id"] = 3; }) == "no error");  // a note
  CHECK(error_of_json([](json& f) { f["post_processor"]["cls"][1] = -2; }) ==
        "tokenizer.json: -2 in the post_processor is not an id");
  CHECK(error_of_json([](json& f) {
          f["added_tokens"][0].erase("content");
        }).starts_with("tokenizer.json: not laid out"));
}

TEST_CASE("load_tokenizer: other files of a folder give roles, flags and the prefix space") {
  const TemporaryFolder folder;
  fs::copy(small_folder() / "vocab.json", folder.path() / "vocab.json");
  fs::copy(small_folder() / "merges.txt", folder.path() / "merges.txt");
  folder.write("special_tokens_map.json",
               R"({"cls_token": "</s>", "mask_token": {"content": "<mask>", "lstrip": false}})");
  folder.write("tokenizer_config.json", R"({"cls_token": "<s>", "add_prefix_space": true, "pad_token": null,
      "tokenizer_class": "RobertaTokenizer"})");
  folder.write("added_tokens.json", R"({"<new>": 470})");
  const auto tokenizer = load_tokenizer(folder.string());
  CHECK(tokenizer->special().cls == 2);
  CHECK(tokenizer->vocab_size() == 471);
  CHECK(tokenizer->encode("x") == tokenizer->encode(" x"));
  CHECK(tokenizer->encode("x <mask>").size() == tokenizer->encode("x<mask>").size() + 1);
  CHECK(tokenizer->encode("<new>", {.parse_special = false}) == std::vector<int32_t>{470});
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "CLIPTokenizer"})");
  CHECK(error_of(folder).find("tokenizer_class CLIPTokenizer is not one that is reproduced") != std::string::npos);
}

TEST_CASE("load_tokenizer: Qwen2's vocab.json and merges.txt, whose bos_token is null") {
  const TemporaryFolder folder;
  fs::copy(small_folder() / "vocab.json", folder.path() / "vocab.json");
  fs::copy(small_folder() / "merges.txt", folder.path() / "merges.txt");
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "Qwen2Tokenizer", "bos_token": null,
      "eos_token": "<|im_end|>", "added_tokens_decoder": {"600": {"content": "<|im_end|>", "special": true}}})");
  const auto tokenizer = load_tokenizer(folder.string());
  CHECK(tokenizer->special().bos == -1);
  CHECK(tokenizer->special().eos == 600);
  CHECK(tokenizer->special_count(false) == 0);
  CHECK(tokenizer->encode("e\u0301") == tokenizer->encode("\u00e9"));  // NFC
  CHECK(tokenizer->encode("12").size() == 2);                          // each digit is a word
}
