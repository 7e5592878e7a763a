// Prints the ids of texts, for tests/golden/check_tokenizer.py and tests/peers/check_tokenizer_census.py.
//   tokenize_lines TOKENIZER [--special] [--pairs] < records
// Each record is the text's length in bytes as a 32-bit little-endian number, then the text. One line of ids per
// record; with --pairs one of two records, with what build_inputs puts around them. --special: special tokens are
// parsed.
//   tokenize_lines TOKENIZER --decode [--special] < lines of ids
// The other way, one id at a time; --special: special tokens are shown. A record per line.
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "engine/error.h"
#include "models/tokenizers/tokenizer.h"

using namespace lowland;

namespace {

bool read_record(std::string& text) {
  unsigned char head[4];
  if (std::fread(head, 1, 4, stdin) != 4) return false;
  text.resize(head[0] | head[1] << 8 | head[2] << 16 | static_cast<size_t>(head[3]) << 24);
  LL_CHECK(std::fread(text.data(), 1, text.size(), stdin) == text.size(), "the last record is cut short");
  return true;
}

void encode_records(const Tokenizer& tokenizer, bool special, bool pairs) {
  const auto scratch = tokenizer.make_scratch();
  std::vector<int32_t> ids, second, both;
  for (std::string text; read_record(text);) {
    ids.clear();
    tokenizer.encode(text, {.parse_special = special}, *scratch, ids);
    if (pairs) {
      LL_CHECK(read_record(text), "the last pair lacks its second text");
      second.clear();
      both.clear();
      tokenizer.encode(text, {.parse_special = special}, *scratch, second);
      tokenizer.build_inputs(ids, second, 0, both);
      ids = both;
    }
    fmt::print("{}\n", fmt::join(ids, " "));
  }
}

void decode_lines(const Tokenizer& tokenizer, bool special) {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream numbers(line);
    std::string text;
    const auto stream = tokenizer.decode_stream(!special);
    for (int32_t id; numbers >> id;) stream->feed(id, text);
    stream->finish(text);
    const size_t n = text.size();
    for (int shift = 0; shift < 32; shift += 8) std::cout.put(static_cast<char>(n >> shift & 0xFF));
    std::cout << text;
  }
}

}  // namespace

int main(int argc, char** argv) try {
  LL_CHECK(argc >= 2, "usage: {} TOKENIZER [--special] [--pairs | --decode]", argv[0]);
  bool special = false, pairs = false, decode = false;
  for (int i = 2; i < argc; ++i) {
    const std::string option = argv[i];
    special |= option == "--special";
    pairs |= option == "--pairs";
    decode |= option == "--decode";
  }
  const auto tokenizer = load_tokenizer(argv[1]);
  if (decode)
    decode_lines(*tokenizer, special);
  else
    encode_records(*tokenizer, special, pairs);
} catch (const std::exception& e) {
  fmt::print(stderr, "error: {}\n", e.what());
  return 1;
}
