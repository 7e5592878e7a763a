#include <cstring>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/llama/convert.h"
#include "models/tokenizers/sentencepiece_file.h"

namespace lowland {
namespace {

std::string with_marks(const std::string& piece) {
  std::string out;
  for (const char c : piece) out += c == ' ' ? "\u2581" : std::string(1, c);
  return out;
}

}  // namespace

std::string sentencepiece_of_llama2c(const std::string& path) {
  using Kind = SentencePieceFile::Kind;
  const std::string file = read_file(path);
  std::string_view bytes = file;
  const auto take = [&](void* to, size_t n) {
    LL_CHECK(bytes.size() >= n, "{} is cut short, or no tokenizer of llama2.c", path);
    std::memcpy(to, bytes.data(), n);
    bytes.remove_prefix(n);
  };
  int32_t longest = 0;
  take(&longest, 4);
  SentencePieceFile model;
  model.model_type = 2;
  model.byte_fallback = true;
  model.remove_extra_whitespaces = false;
  for (uint64_t id = 0; !bytes.empty(); ++id) {
    float score = 0;
    int32_t length = 0;
    take(&score, 4);
    take(&length, 4);
    LL_CHECK(length > 0 && length <= longest, "{}: piece {} has length {}, where 1 to {} are expected", path, id,
             length, longest);
    std::string text(length, '\0');
    take(text.data(), text.size());
    const char* const roles[] = {"<unk>", "<s>", "</s>"};
    const Kind kind = id == 0 ? Kind::kUnknown : id < 3 ? Kind::kControl : id < 259 ? Kind::kByte : Kind::kNormal;
    model.pieces.push_back({id < 3 ? roles[id] : with_marks(text), score, kind});
  }
  return sentencepiece_bytes(model, {.unk = 0, .bos = 1, .eos = 2});
}

}  // namespace lowland
