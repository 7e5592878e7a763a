// Prints the ids of texts, for tests/golden/check_tokenizer.py.
//   tokenize_lines TOKENIZER [--special] < records
// Each record is the text's length in bytes as a 32-bit little-endian number, then the text. One line of ids
// per record.
//   tokenize_lines TOKENIZER --decode < lines of ids
// The other way, one id at a time and special tokens left out: a record per line.
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "engine/error.h"
#include "models/tokenizers/tokenizer.h"

using namespace lowland;

namespace {

void encode_records(const Tokenizer& tokenizer, bool special) {
  const auto scratch = tokenizer.make_scratch();
  std::vector<int32_t> ids;
  std::string text;
  for (unsigned char head[4]; std::fread(head, 1, 4, stdin) == 4;) {
    text.resize(head[0] | head[1] << 8 | head[2] << 16 | static_cast<size_t>(head[3]) << 24);
    LL_CHECK(std::fread(text.data(), 1, text.size(), stdin) == text.size(), "the last record is cut short");
    ids.clear();
    tokenizer.encode(text, {.parse_special = special}, *scratch, ids);
    fmt::print("{}\n", fmt::join(ids, " "));
  }
}

void decode_lines(const Tokenizer& tokenizer) {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream numbers(line);
    std::string text;
    const auto stream = tokenizer.decode_stream();
    for (int32_t id; numbers >> id;) stream->feed(id, text);
    stream->finish(text);
    const size_t n = text.size();
    for (int shift = 0; shift < 32; shift += 8) std::cout.put(static_cast<char>(n >> shift & 0xFF));
    std::cout << text;
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string option = argc == 3 ? argv[2] : "";
  LL_CHECK(argc == 2 || option == "--special" || option == "--decode", "usage: {} TOKENIZER [--special|--decode]",
           argv[0]);
  const auto tokenizer = load_tokenizer(argv[1]);
  if (option == "--decode")
    decode_lines(*tokenizer);
  else
    encode_records(*tokenizer, option == "--special");
} catch (const std::exception& e) {
  fmt::print(stderr, "error: {}\n", e.what());
  return 1;
}
