// Prints the ids of texts, for tests/golden/check_tokenizer.py.
//   tokenize_lines FOLDER [--special] < records
// Each record is the text's length in bytes as a 32-bit little-endian number, then the text. One line of ids
// per record.
#include <cstdio>
#include <cstring>
#include <string>

#include "engine/error.h"
#include "models/tokenizers/tokenizer.h"

using namespace lowland;

int main(int argc, char** argv) try {
  LL_CHECK(argc == 2 || (argc == 3 && std::strcmp(argv[2], "--special") == 0), "usage: {} FOLDER [--special]",
           argv[0]);
  const auto tokenizer = load_tokenizer(argv[1]);
  const auto scratch = tokenizer->make_scratch();
  std::vector<int32_t> ids;
  std::string text;
  for (unsigned char head[4]; std::fread(head, 1, 4, stdin) == 4;) {
    text.resize(head[0] | head[1] << 8 | head[2] << 16 | static_cast<size_t>(head[3]) << 24);
    LL_CHECK(std::fread(text.data(), 1, text.size(), stdin) == text.size(), "the last record is cut short");
    ids.clear();
    tokenizer->encode(text, {.parse_special = argc == 3}, *scratch, ids);
    fmt::print("{}\n", fmt::join(ids, " "));
  }
} catch (const std::exception& e) {
  fmt::print(stderr, "error: {}\n", e.what());
  return 1;
}
