// Equality with the tokenizers package, from the files that tests/golden/make_tokenizer_golden.py wrote.
#include <doctest/doctest.h>

#include <map>

#include "engine/error.h"
#include "kernels/common/philox.h"
#include "models/tokenizers/tokenizer.h"
#include "tests/shared_data.h"
#include "tests/tokenizers/support.h"

using namespace lowland;
using namespace lowland::test;
using nlohmann::json;
using Ids = std::vector<int32_t>;

namespace {

const json& golden() {
  static const json file = json::parse(read_file(golden_folder() / "tokenizer_golden.json"));
  return file;
}

// tokenizer_small/tokenizer.json with the parts that a variant replaces.
json patched(const json& patch) {
  json file = json::parse(read_file(small_folder() / "tokenizer.json"));
  for (const auto& [key, value] : patch.items()) {
    if (key == "added_tokens")
      file[key].insert(file[key].end(), value.begin(), value.end());
    else if (key == "model")
      file[key].update(value);
    else
      file[key] = value;
  }
  return file;
}

void check_cases(const Tokenizer& tokenizer, const json& cases) {
  const auto scratch = tokenizer.make_scratch();
  Ids ids;
  REQUIRE(!cases.empty());
  for (int turn = 0; turn < 2; ++turn) {  // the second with all words in the cache
    for (const json& c : cases) {
      const std::string text = from_hex(c.at("text"));
      CAPTURE(text.substr(0, 80));
      ids.clear();
      tokenizer.encode(text, {.parse_special = true}, *scratch, ids);
      CHECK(ids == c.at("ids").get<Ids>());
      ids.clear();
      tokenizer.encode(text, {.parse_special = false}, *scratch, ids);
      CHECK(ids == c.at("text_ids").get<Ids>());
    }
  }
  for (const json& c : cases) {
    const std::string text = from_hex(c.at("text"));
    CAPTURE(text.substr(0, 80));
    CHECK(tokenizer.encode(text) == c.at("ids").get<Ids>());
    CHECK(tokenizer.encode(text, {.parse_special = false}) == c.at("text_ids").get<Ids>());
    CHECK(tokenizer.decode(c.at("ids").get<Ids>(), true) == c.at("decoded").get<std::string>());
    CHECK(tokenizer.decode(c.at("ids").get<Ids>(), false) == c.at("decoded_all").get<std::string>());
  }
}

// [length of A, length of B or -1, limit, ids], where each text is that many newlines.
void check_inputs(const Tokenizer& tokenizer, const json& inputs) {
  const int32_t newline = tokenizer.id_of("Ċ");
  REQUIRE(newline >= 0);
  for (const json& c : inputs) {
    CAPTURE(c.dump());
    const auto a = c[0].get<int64_t>(), b = c[1].get<int64_t>(), limit = c[2].get<int64_t>();
    const Ids a_ids(a, newline), b_ids(std::max<int64_t>(b, 0), newline);
    const std::optional<std::span<const int32_t>> pair =
        b < 0 ? std::nullopt : std::optional<std::span<const int32_t>>(b_ids);
    Ids out = {7};  // build_inputs appends
    const int64_t cut = tokenizer.build_inputs(a_ids, pair, limit, out);
    CHECK(out.front() == 7);
    out.erase(out.begin());
    CHECK(out == c[3].get<Ids>());
    CHECK(cut == a + std::max<int64_t>(b, 0) + tokenizer.special_count(b >= 0) - static_cast<int64_t>(out.size()));
  }
}

}  // namespace

TEST_CASE("tokenizer: every variant of tokenizer.json gives the ids of the tokenizers package") {
  for (const json& variant : golden().at("variants")) {
    const auto name = variant.at("name").get<std::string>();
    CAPTURE(name);
    const TemporaryFolder folder;
    folder.write("tokenizer.json", patched(variant.at("patch")).dump());
    const auto tokenizer = load_tokenizer(folder.string());
    check_cases(*tokenizer, variant.at("cases"));
    check_inputs(*tokenizer, variant.at("inputs"));
    const Ids a = tokenizer->encode("Hello"), b = tokenizer->encode("world");
    Ids single, pair;
    tokenizer->build_inputs(a, std::nullopt, 0, single);
    tokenizer->build_inputs(a, b, 0, pair);
    CHECK(single == variant.at("single").get<Ids>());
    CHECK(pair == variant.at("pair").get<Ids>());
  }
}

TEST_CASE("tokenizer: vocab.json with merges.txt gives the same, under both names, and so do merges as strings") {
  const json& plain = golden().at("variants").at(0);
  const TemporaryFolder hugging_face, openai, old_json;
  fs::copy(small_folder() / "vocab.json", hugging_face.path() / "vocab.json");
  fs::copy(small_folder() / "merges.txt", hugging_face.path() / "merges.txt");
  fs::copy(small_folder() / "vocab.json", openai.path() / "encoder.json");
  fs::copy(small_folder() / "merges.txt", openai.path() / "vocab.bpe");
  json file = patched(json::object());
  json merges = json::array();
  for (const json& merge : file.at("model").at("merges")) {
    merges.push_back(merge.at(0).get<std::string>() + " " + merge.at(1).get<std::string>());
  }
  file["model"]["merges"] = merges;
  file["model"].erase("type");  // as the oldest files
  old_json.write("tokenizer.json", file.dump());
  for (const TemporaryFolder* folder : {&hugging_face, &openai, &old_json}) {
    const auto tokenizer = load_tokenizer(folder->string());
    check_cases(*tokenizer, plain.at("cases"));
    check_inputs(*tokenizer, plain.at("inputs"));
    const SpecialIds& special = tokenizer->special();
    CHECK(Ids{special.bos, special.pad, special.eos, special.unk, special.mask} == Ids{0, 1, 2, 3, 4});
    CHECK(tokenizer->piece(0) == "<s>");
    CHECK(tokenizer->piece(-1).empty());
    CHECK(tokenizer->piece(1 << 20).empty());
    CHECK(tokenizer->piece(tokenizer->id_of("Ġthe")) == "Ġthe");
  }
}

TEST_CASE("tokenizer: words of every length merge by rank, then from the left") {
  std::map<std::pair<std::string, std::string>, size_t> rank;
  std::ifstream file(small_folder() / "merges.txt");
  std::string left, right;
  std::getline(file, left);  // its version
  while (file >> left >> right) rank.emplace(std::pair(left, right), rank.size());
  REQUIRE(rank.size() > 200);
  const auto tokenizer = load_tokenizer(small_folder().string());
  uint64_t state = 3;
  size_t length = 0;
  for (const auto& [merge, its_rank] : rank) {
    length = (length + 37) % 200;
    std::string word = merge.first + merge.second;  // and what follows is drawn
    if (word.find_first_not_of("abcdefghijklmnopqrstuvwxyz") != word.npos) continue;
    std::vector<std::string> pieces;
    while (word.size() < length) word += "thenadoursgi"[(state = mix64(state)) % 12];
    for (const char c : word) pieces.emplace_back(1, c);
    for (;;) {
      size_t best = rank.size(), at = 0;
      for (size_t i = 0; i + 1 < pieces.size(); ++i) {
        const auto found = rank.find({pieces[i], pieces[i + 1]});
        if (found != rank.end() && found->second < best) best = found->second, at = i;
      }
      if (best == rank.size()) break;
      pieces[at] += pieces[at + 1];
      pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
    Ids ids;
    for (const std::string& piece : pieces) ids.push_back(tokenizer->id_of(piece));
    CAPTURE(word);
    CHECK(tokenizer->encode(word) == ids);
  }
}

TEST_CASE("tokenizer: any ids decode, bytes that are not characters as U+FFFD") {
  const auto tokenizer = load_tokenizer(small_folder().string());
  for (const json& c : golden().at("undecodable")) {
    CHECK(tokenizer->decode(c[0].get<Ids>(), false) == c[1].get<std::string>());
  }
}

TEST_CASE("tokenizer: text comes back from its ids") {
  const auto tokenizer = load_tokenizer(small_folder().string());
  for (const std::string text : {"", " It is a truth, universally...\r\n\n acknowledged",
                                 "日本 👨‍👩‍👧\u0085 e\u0301", "<s> <mask>"}) {
    CHECK(tokenizer->decode(tokenizer->encode(text, {.parse_special = false}), false) == text);
  }
}

TEST_CASE("tokenizer: a limit without room for the special tokens, and a foreign scratch, are refused") {
  const auto one = load_tokenizer(small_folder().string()), other = load_tokenizer(small_folder().string());
  const Ids a = {5, 6};
  Ids out;
  CHECK_THROWS_WITH_AS(one->build_inputs(a, a, 3, out),
                       "a length of 3 has no room for the 4 special tokens around two texts", Error);
  CHECK_THROWS_AS(one->encode("x", {}, *other->make_scratch(), out), Error);
  CHECK(out.empty());
}

TEST_CASE("shared: ids of roberta-base's vocabulary" * doctest::skip(lacks("tokenizers/roberta/vocab.json"))) {
  const auto roberta = load_tokenizer(shared_data() / "tokenizers/roberta");
  CHECK(roberta->vocab_size() == 50265);
  CHECK(roberta->special().mask == 50264);
  CHECK(roberta->encode("Hello great. It was <mask> in the end") == Ids{31414, 372, 4, 85, 21, 50264, 11, 5, 253});
  CHECK(roberta->encode(" terrible") == Ids{6587});
  CHECK(roberta->encode("<mask>", {.parse_special = false}).size() > 1);
}
