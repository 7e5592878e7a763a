// Bad files of sentencepiece, tiktoken and llama2.c: each ends in one sentence that names the file.
#include <doctest/doctest.h>

#include "engine/error.h"
#include "models/tokenizers/tokenizer.h"
#include "tests/tokenizers/support.h"

using namespace lowland;
using namespace lowland::test;

namespace {

std::string error_of(const std::string& name, const std::string& bytes) {
  const TemporaryFolder folder;
  folder.write(name, bytes);
  try {
    load_tokenizer((folder.path() / name).string());
  } catch (const Error& e) {
    const std::string text = e.what(), prefix = folder.string() + "/";
    REQUIRE(text.find('\n') == std::string::npos);
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
  }
  return "no error";
}

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
  return out;
}
std::string field(int number, const std::string& bytes) {
  return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string field(int number, uint64_t value) { return varint(static_cast<uint64_t>(number) << 3) + varint(value); }

// A model of two pieces, of the given kind, type and normalizer.
std::string model(uint64_t kind, uint64_t type, const std::string& normalizer) {
  return field(1, field(1, "<unk>") + field(3, 2)) + field(1, field(1, "a") + field(3, kind)) +
         field(2, field(3, type)) + field(3, normalizer);
}

}  // namespace

TEST_CASE("sentencepiece: what is not reproduced is refused by name") {
  const std::string plain = field(4, 0);  // remove_extra_whitespaces false
  CHECK(error_of("t.model", model(1, 2, plain)) == "no error");
  CHECK(error_of("t.model", model(1, 1, plain)) == "no error");
  CHECK(error_of("t.model", model(1, 4, plain)) == "t.model: a sentencepiece model of type char is not reproduced");
  CHECK(error_of("t.model", model(1, 2, plain + field(2, "x"))) == "t.model: the character map is cut short");
  CHECK(error_of("t.model", model(1, 2, plain + field(5, 0))) ==
        "t.model: a sentencepiece model without escape_whitespaces is not reproduced");
  CHECK(error_of("t.model", model(5, 2, plain)) ==
        "t.model: a sentencepiece model with unused pieces is not reproduced");
}

TEST_CASE("sentencepiece: a file that is cut short at any byte is an error or a smaller model, never a crash") {
  const std::string whole = read_file(golden_folder() / "tokenizer_llama/sp.model");
  for (size_t n = 3; n < whole.size(); n += 97) {
    const std::string text = error_of("t.model", whole.substr(0, n));
    CHECK(text.starts_with("t.model: "));
  }
}

TEST_CASE("tiktoken: a bad line is named") {
  std::string whole = read_file(golden_folder() / "tokenizer_llama/bytes.model");
  CHECK(error_of("t.model", whole) == "no error");
  CHECK(error_of("t.model", "IQ== 0\nIg== 2\n") == "t.model:2: 'Ig== 2' is not a piece in base64 and its rank 1");
  CHECK(error_of("t.model", "IQ== 0\nI?== 1\n") == "t.model:2: 'I?== 1' is not a piece in base64 and its rank 1");
  CHECK(error_of("t.model", "IQ== 0\nIg==\n").starts_with("t.model:2: "));
}

TEST_CASE("llama2.c: a table that is cut short is named") {
  const std::string whole = read_file(golden_folder() / "tokenizer_llama/table.bin");
  CHECK(error_of("t.bin", whole) == "no error");
  CHECK(error_of("t.bin", whole.substr(0, whole.size() - 1)) == "t.bin: cut short in piece 559");
  CHECK(error_of("t.bin", whole.substr(0, 29)) == "t.bin: cut short in piece 1");
  CHECK(error_of("t.bin", std::string("\x07\0\0\0\0\0\0\0\x09\0\0\0aaaaaaaaa", 21)) ==
        "t.bin: piece 0 has length 9, where 1 to 7 are expected");
}

TEST_CASE("load_tokenizer: a file that is no tokenizer, or is not there") {
  CHECK(error_of("t.model", std::string("\0\0\0\0", 4)) ==
        "t.model: not a tokenizer: neither tokenizer.json, nor a sentencepiece, tiktoken or llama2.c file");
  CHECK(error_of("t.model", "").starts_with("t.model: not a tokenizer"));
  CHECK_THROWS_AS(load_tokenizer("/no/such/tokenizer.model"), Error);
}
