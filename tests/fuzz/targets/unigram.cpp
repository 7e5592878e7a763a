// A text through a Unigram tokenizer with a Precompiled normaliser's rules left out: Viterbi, unknown characters,
// byte_fallback. The first byte chooses one of the files, built here, the rest is the text.
#include <nlohmann/json.hpp>

#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/tokenizer_files.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

namespace {

std::unique_ptr<Tokenizer> make(bool bytes) {
  using nlohmann::json;
  json vocab = json::array({{"<unk>", 0.0}, {"\u2581", -2.0}});
  const char* const pieces[] = {"a",        "b",   "ab",       "aba",          "\u2581a",
                                "\u2581ab", "bab", "\xc3\xa9", "\xe4\xb8\xad", "ba\u2581"};
  for (double score = -1; const char* piece : pieces) vocab.push_back({piece, score -= 0.37});
  for (int i = 0; bytes && i < 256; ++i) vocab.push_back({fmt::format("<0x{:02X}>", i), -9.0});
  const json file = {
      {"version", "1.0"},
      {"added_tokens", json::array()},
      {"normalizer", {{"type", "NFKC"}}},
      {"pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "always"}}},
      {"decoder", {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "always"}}},
      {"model", {{"type", "Unigram"}, {"unk_id", 0}, {"byte_fallback", bytes}, {"vocab", vocab}}}};
  return load_tokenizer_json(MemoryFile(file.dump()).path());
}

}  // namespace

LL_FUZZ_TARGET(unigram) {
  static const std::unique_ptr<Tokenizer> tokenizers[] = {make(false), make(true)};
  if (size == 0) return 0;
  const Tokenizer& tokenizer = *tokenizers[data[0] & 1];
  attempt([&] { tokenizer.decode(tokenizer.encode(std::string(as_text(data + 1, size - 1)))); });
  return 0;
}
