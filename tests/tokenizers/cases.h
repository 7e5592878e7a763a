// Checks a tokenizer against the cases of a golden file: ids with special tokens parsed (ids) and not
// (text_ids), and the text they decode to; every way of encoding and decoding must agree.
#pragma once
#include <doctest/doctest.h>

#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/utf8.h"
#include "tests/tokenizers/support.h"

namespace lowland::test {

using nlohmann::json;
using Ids = std::vector<int32_t>;

inline void check_encoding(const Tokenizer& tokenizer, const std::string& text, bool parse, const Ids& expected,
                           Tokenizer::Scratch& scratch) {
  Ids ids;
  tokenizer.encode(text, {.parse_special = parse}, scratch, ids);
  CHECK(ids == expected);
  CHECK(tokenizer.encode(text, {.parse_special = parse}) == expected);
  if (!utf8_valid(text)) return;
  std::vector<uint32_t> ends;
  tokenizer.encode_with_ends(text, {.parse_special = parse}, ids, ends);
  CHECK(ids == expected);
  CHECK(ends.size() == ids.size());
  CHECK(std::is_sorted(ends.begin(), ends.end()));
  if (!ids.empty()) CHECK(ends.back() == text.size());
}

// One id at a time: each piece of text is whole, and all of them together are the decoded text.
inline void check_stream(const Tokenizer& tokenizer, const Ids& ids, bool skip_special, const std::string& expected) {
  CHECK(tokenizer.decode(ids, skip_special) == expected);
  std::string all;
  const auto stream = tokenizer.decode_stream(skip_special);
  for (const int32_t id : ids) {
    std::string part;
    stream->feed(id, part);
    CHECK(utf8_valid(part));
    all += part;
  }
  stream->finish(all);
  CHECK(all == expected);
}

inline void check_all(const Tokenizer& tokenizer, const json& cases) {
  const auto scratch = tokenizer.make_scratch();
  REQUIRE(!cases.empty());
  for (int turn = 0; turn < 2; ++turn) {  // the second with all words in the cache
    for (const json& c : cases) {
      const std::string text = from_hex(c.at("text"));
      CAPTURE(text.substr(0, 80));
      if (c.contains("ids")) check_encoding(tokenizer, text, true, c.at("ids").get<Ids>(), *scratch);
      check_encoding(tokenizer, text, false, c.at("text_ids").get<Ids>(), *scratch);
      if (turn > 0 || !c.contains("decoded")) continue;
      check_stream(tokenizer, c.at("ids").get<Ids>(), true, c.at("decoded").get<std::string>());
      check_stream(tokenizer, c.at("ids").get<Ids>(), false, c.at("decoded_all").get<std::string>());
    }
  }
}

}  // namespace lowland::test
