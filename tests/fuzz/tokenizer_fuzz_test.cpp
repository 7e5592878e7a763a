// Damaged tokenizers must be refused with an Error or read; never a crash, a hang or another exception. What is read
// must encode and decode, or refuse. Build with LOWLAND_SANITIZE=ON to see what a plain build forgives.
#include <doctest/doctest.h>

#include <random>

#include "engine/error.h"
#include "models/tokenizers/normalizers/normalizer.h"
#include "models/tokenizers/split_expression.h"
#include "models/tokenizers/tokenizer.h"
#include "tests/tokenizers/support.h"

using namespace lowland;
using namespace lowland::test;
using nlohmann::json;

namespace {

const std::string kTexts[] = {"", "Hello  World, 日本 e\u0301\u200d x\t\n", "<s> <unk>[b]\u0600a\r\n ﬁ½ 👍🏽",
                              std::string(300, 'a')};

// Whether the file was accepted.
bool try_tokenizer(const fs::path& file) {
  try {
    const auto tokenizer = load_tokenizer(file.string());
    for (const std::string& text : kTexts) {
      try {
        std::vector<int32_t> ids = tokenizer->encode(text), around;
        std::vector<uint32_t> ends;
        tokenizer->encode_with_ends(text, {.parse_special = false}, ids, ends);
        CHECK(ids.size() == ends.size());
        tokenizer->build_inputs(ids, ids, 0, around);
        for (const int32_t id : {-1, 0, 1, 7, 1 << 30}) around.push_back(id);
        (void)tokenizer->decode(around, false);
      } catch (const Error&) {}
    }
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::string mutate(std::string text, std::mt19937& random) {
  static const std::string alphabet = "0123456789-+.eE{}[]\",: \\ntrufalse\x01\x7f\xff()*?|^$\u2581";
  for (int i = 1 + static_cast<int>(random() % 4); i > 0 && !text.empty(); --i) {
    const size_t at = random() % text.size();
    switch (random() % 4) {
      case 0: text[at] = static_cast<char>(random()); break;
      case 1: text[at] = alphabet[random() % alphabet.size()]; break;
      case 2: text.erase(at, 1 + random() % 3); break;
      default: text.insert(at, 1, alphabet[random() % alphabet.size()]); break;
    }
  }
  return text;
}

// A value somewhere in the file becomes another one of the file, or an odd one: damage that stays JSON.
void swap_values(json& file, std::mt19937& random) {
  std::vector<json*> all;
  const auto collect = [&all](auto&& self, json& value) -> void {
    if (all.size() > 4000) return;
    all.push_back(&value);
    if (value.is_structured()) {
      for (json& inner : value) self(self, inner);
    }
  };
  collect(collect, file);
  const json odd[] = {nullptr, -1, 0, 1e300, 4294967296, "", "\u2581", "a", json::array(), json::object(), true};
  json& target = *all[random() % all.size()];
  const json source = random() % 3 ? *all[random() % all.size()] : odd[random() % std::size(odd)];
  if (source.dump().size() < 100'000) target = source;
}

}  // namespace

TEST_CASE("fuzz: damaged tokenizer.json of every kind") {
  const json golden = json::parse(read_file(golden_folder() / "tokenizer_kinds_golden.json"));
  const TemporaryFolder folder;
  std::mt19937 random(3);
  int accepted = 0, tried = 0;
  for (const json& kind : golden.at("kinds")) {
    CAPTURE(kind.at("name").get<std::string>());
    for (int i = 0; i < 16; ++i, ++tried) {
      json file = kind.at("tokenizer");
      if (i % 2 == 0) swap_values(file, random);
      std::string text = file.dump();
      if (i % 2 == 1) text = mutate(std::move(text), random);
      folder.write("tokenizer.json", text);
      accepted += try_tokenizer(folder.path() / "tokenizer.json") ? 1 : 0;
    }
  }
  CHECK(accepted > 0);
  CHECK(accepted < tried);
}

TEST_CASE("fuzz: damaged sentencepiece models with a character map") {
  const std::string whole = read_file(golden_folder() / "tokenizer_unigram.model");
  const TemporaryFolder folder;
  std::mt19937 random(4);
  for (const char* name : {"tokenizer.model", "sentencepiece.bpe.model"}) {
    for (int i = 0; i < 1000; ++i) {
      folder.write(name, i % 8 ? mutate(whole, random) : whole.substr(0, random() % whole.size()));
      (void)try_tokenizer(folder.path() / name);
    }
  }
}

TEST_CASE("fuzz: character maps of random bytes") {
  std::mt19937 random(5);
  for (int i = 0; i < 3000; ++i) {
    const auto units = static_cast<uint32_t>(random() % 600);
    std::string map(4 + units * 4 + random() % 20, '\0');
    for (char& c : map) c = static_cast<char>(random() % 4 ? random() % 8 : random());
    for (int shift = 0; shift < 32; shift += 8) map[shift / 8] = static_cast<char>(units * 4 >> shift & 0xFF);
    try {
      const auto normalizer = precompiled_normalizer(map, "map");
      for (const std::string& text : kTexts) CHECK(normalizer->normalized(text).size() < 1'000'000);
    } catch (const Error&) {}
  }
}

TEST_CASE("fuzz: damaged expressions") {
  const std::string whole =
      "(?i:'s|'t)|[^\\r\\n\\p{L}&&[^a-c]]?+\\p{Lu}+|\\p{N}{1,3}?|(?<=x)[\u4e00-\u9fa5]*|\\b\\x{41}$|\\s+(?!\\S)";
  std::mt19937 random(6);
  SplitExpression::Scratch scratch;
  for (int i = 0; i < 500; ++i) {
    try {
      const SplitExpression made(mutate(whole, random), "file");
      ExpressionCursor cursor(made, kTexts[1], scratch);
      int stretches = 0;
      while (cursor.next() != nullptr) ++stretches;
      CHECK(stretches < 1000);
    } catch (const Error&) {}
  }
}
