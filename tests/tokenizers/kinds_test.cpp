// Every kind of component of a tokenizer.json, and sentencepiece's Unigram models, against the tokenizers package and
// transformers: the files that tests/golden/make_tokenizer_kinds_golden.py wrote.
#include "engine/error.h"
#include "tests/tokenizers/cases.h"

using namespace lowland;
using namespace lowland::test;

namespace {

const json& golden() {
  static const json file = json::parse(read_file(golden_folder() / "tokenizer_kinds_golden.json"));
  return file;
}

// ids: null where the text has what is unknown and no token for that.
void check_ids(const Tokenizer& tokenizer, const std::string& text, bool parse, const json& ids,
               Tokenizer::Scratch& scratch) {
  if (ids.is_null()) {
    CHECK_THROWS_AS(tokenizer.encode(text, {.parse_special = parse}), Error);
    return;
  }
  const auto expected = ids.get<Ids>();
  Ids got;
  tokenizer.encode(text, {.parse_special = parse}, scratch, got);
  CHECK(got == expected);
  std::vector<uint32_t> ends;
  tokenizer.encode_with_ends(text, {.parse_special = parse}, got, ends);
  CHECK(got == expected);
  CHECK(ends.size() == got.size());
  CHECK(std::is_sorted(ends.begin(), ends.end()));
  if (!ends.empty()) CHECK(ends.back() <= text.size());
}

void check_kind(const Tokenizer& tokenizer, const json& kind) {
  const auto scratch = tokenizer.make_scratch();
  const json& texts = golden().at("texts");
  for (int turn = 0; turn < 2; ++turn) {  // the second with all words in the cache
    for (size_t i = 0; i < kind.at("cases").size(); ++i) {
      const json& c = kind.at("cases")[i];
      const std::string text = from_hex(texts[i]);
      CAPTURE(text);
      check_ids(tokenizer, text, true, c[0], *scratch);
      check_ids(tokenizer, text, false, c[1].is_null() ? c[0] : c[1], *scratch);
      if (turn > 0 || c.size() < 4) continue;
      check_stream(tokenizer, c[0].get<Ids>(), true, c[2].get<std::string>());
      check_stream(tokenizer, c[0].get<Ids>(), false, c[3].get<std::string>());
    }
  }
}

void check_inputs(const Tokenizer& tokenizer, const json& kind) {
  const auto inputs = [&](const std::string& a, const char* b) {
    Ids out;
    const Ids first = tokenizer.encode(a), second = b ? tokenizer.encode(b) : Ids();
    tokenizer.build_inputs(first, b ? std::optional<std::span<const int32_t>>(second) : std::nullopt, 0, out);
    return out;
  };
  if (!kind.at("single").is_null()) CHECK(inputs("the truth", nullptr) == kind.at("single").get<Ids>());
  if (!kind.at("pair").is_null()) CHECK(inputs("Hello World", "the truth") == kind.at("pair").get<Ids>());
}

std::unique_ptr<Tokenizer> load(const json& file) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", file.dump());
  return load_tokenizer(folder.string());
}

}  // namespace

TEST_CASE("tokenizer kinds: every component has the ids and the text of the tokenizers package") {
  for (const json& kind : golden().at("kinds")) {
    CAPTURE(kind.at("name").get<std::string>());
    const auto tokenizer = load(kind.at("tokenizer"));
    check_kind(*tokenizer, kind);
    if (kind.contains("pair")) check_inputs(*tokenizer, kind);
    if (!kind.contains("decoded")) continue;
    for (const json& c : kind.at("decoded")) {
      CAPTURE(c.dump());
      if (!c[1].is_null()) check_stream(*tokenizer, c[0].get<Ids>(), true, c[1].get<std::string>());
      if (!c[2].is_null()) check_stream(*tokenizer, c[0].get<Ids>(), false, c[2].get<std::string>());
    }
  }
}

TEST_CASE("tokenizer kinds: an added token whose id is not the file's is told") {
  int told = 0;
  for (const json& kind : golden().at("kinds")) {
    const auto name = kind.at("name").get<std::string>();
    if (!name.starts_with("added ids")) continue;
    const auto tokenizer = load(kind.at("tokenizer"));
    CAPTURE(name);
    REQUIRE(!tokenizer->notes().empty());
    CHECK(tokenizer->notes()[0].find("as the tokenizers library numbers it") != std::string::npos);
    ++told;
  }
  CHECK(told == 5);
}

TEST_CASE("tokenizer kinds: a sentencepiece Unigram model with a character map") {
  const TemporaryFolder folder;
  fs::copy(golden_folder() / "tokenizer_unigram.model", folder.path() / "tokenizer.model");
  const auto tokenizer = load_tokenizer(folder.string());
  const auto scratch = tokenizer->make_scratch();
  for (const json& c : golden().at("unigram").at("model")) {
    const std::string text = from_hex(c.at("text"));
    CAPTURE(text);
    check_ids(*tokenizer, text, false, c.at("text_ids"), *scratch);
  }
}

TEST_CASE("tokenizer kinds: XLM-R's and CamemBERT's sentencepiece.bpe.model have transformers' ids") {
  for (const char* kind : {"xlm-roberta", "camembert"}) {
    CAPTURE(kind);
    const json& expected = golden().at("unigram").at(kind);
    const TemporaryFolder folder;
    fs::copy(golden_folder() / "tokenizer_unigram.model", folder.path() / "sentencepiece.bpe.model");
    folder.write("config.json", json{{"model_type", kind}}.dump());
    const auto tokenizer = load_tokenizer(folder.string());
    for (const json& c : expected.at("cases")) {
      const std::string text = from_hex(c.at("text"));
      CAPTURE(text);
      CHECK(tokenizer->encode(text) == c.at("ids").get<Ids>());
      check_stream(*tokenizer, c.at("ids").get<Ids>(), true, c.at("decoded").get<std::string>());
      check_stream(*tokenizer, c.at("ids").get<Ids>(), false, c.at("decoded_all").get<std::string>());
    }
    const Ids a = tokenizer->encode("the truth"), b = tokenizer->encode("a man");
    Ids single, pair;
    tokenizer->build_inputs(a, std::nullopt, 0, single);
    tokenizer->build_inputs(a, b, 0, pair);
    CHECK(single == expected.at("single").get<Ids>());
    CHECK(pair == expected.at("pair").get<Ids>());
    CHECK(tokenizer->special().mask == expected.at("mask").get<int32_t>());
    CHECK(tokenizer->special().pad == expected.at("pad").get<int32_t>());
    CHECK(tokenizer->vocab_size() == expected.at("size").get<int32_t>());
  }
}

TEST_CASE("tokenizer kinds: vocab.txt is BERT's WordPiece") {
  const TemporaryFolder folder, whole;
  const auto& kinds = golden().at("kinds");
  const json* found = nullptr;
  for (const json& kind : kinds) {
    if (kind.at("name") == "WordPiece") found = &kind;
  }
  REQUIRE(found != nullptr);
  const json& vocab = found->at("tokenizer").at("model").at("vocab");
  std::vector<std::string> lines(vocab.size());
  for (const auto& [piece, id] : vocab.items()) lines.at(id.get<size_t>()) = piece;
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  folder.write("vocab.txt", text);
  const auto tokenizer = load_tokenizer(folder.string());
  check_kind(*tokenizer, *found);
  check_inputs(*tokenizer, *found);
  const SpecialIds& special = tokenizer->special();
  CHECK(Ids{special.pad, special.unk, special.cls, special.sep, special.mask} == Ids{0, 1, 2, 3, 4});
  folder.write("tokenizer_config.json", R"({"do_lower_case": false, "tokenizer_class": "BertTokenizer"})");
  CHECK(load_tokenizer(folder.string())->encode("Mr") != tokenizer->encode("Mr"));
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "FunnelTokenizer"})");
  CHECK_THROWS_AS(load_tokenizer(folder.string()), Error);
}

TEST_CASE("tokenizer kinds: token types are the template's") {
  const TemporaryFolder bert, own;
  bert.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n");
  json file = {{"version", "1.0"}, {"added_tokens", json::array()}, {"pre_tokenizer", {{"type", "Whitespace"}}}};
  file["model"] = {{"type", "WordLevel"}, {"vocab", {{"a", 5}, {"b", 6}}}, {"unk_token", "a"}};
  const auto item = [](const char* what, const char* id, int type) {
    return json{{what, {{"id", id}, {"type_id", type}}}};
  };
  file["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {item("SpecialToken", "S", 3), item("Sequence", "A", 0)}},
      {"pair", {item("SpecialToken", "S", 2), item("Sequence", "A", 0), item("Sequence", "B", 4)}},
      {"special_tokens", {{"S", {{"id", "S"}, {"ids", {1, 2}}, {"tokens", {"x", "y"}}}}}}};
  own.write("tokenizer.json", file.dump());
  const auto types = [](const TemporaryFolder& folder, bool pair, int64_t longest) {
    Ids ids, out = {9};  // appended
    const Ids a = {5, 5, 5}, b = {6, 6};
    const std::optional<std::span<const int32_t>> second =
        pair ? std::optional<std::span<const int32_t>>(b) : std::nullopt;
    load_tokenizer(folder.string())->build_inputs(a, second, longest, ids, &out);
    CHECK(out.size() == ids.size() + 1);
    return out;
  };
  CHECK(types(bert, false, 0) == Ids{9, 0, 0, 0, 0, 0});
  CHECK(types(bert, true, 0) == Ids{9, 0, 0, 0, 0, 0, 1, 1, 1});
  CHECK(types(bert, true, 5) == Ids{9, 0, 0, 0, 1, 1});
  CHECK(types(own, false, 0) == Ids{9, 3, 3, 0, 0, 0});
  CHECK(types(own, true, 0) == Ids{9, 2, 2, 0, 0, 0, 4, 4});
}

TEST_CASE("tokenizer kinds: a decoder that is not known fails when it is to decode") {
  json file = golden().at("kinds")[0].at("tokenizer");
  file["decoder"] = {{"type", "Telepathy"}};
  const auto tokenizer = load(file);
  CHECK(!tokenizer->encode("Hello World").empty());
  CHECK_THROWS_AS(tokenizer->decode(Ids{0}), Error);
}
