// How the byte-level tokenizers of GGUF files cut text into words: tokenizer.ggml.pre, and what tokenizer.json says for
// it. A further one is a row of the table in pre_tokenizers.cpp.
#pragma once
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace lowland {

struct GgufPre {
  const char* name;        // tokenizer.ggml.pre
  const char* expression;  // of the words; null: GPT-2's
  bool digits;             // each digit is a word, before that
  bool composed;           // text is brought into the composed form, NFC
  bool ignore_merges;      // a word that is a token is not merged
  bool begins;             // a text begins with bos where the file does not say
};

const GgufPre* gguf_pre(const std::string& name);  // null: unknown
std::string gguf_pre_names();
nlohmann::json pre_tokenizer_json(const GgufPre& pre);
// The row that a tokenizer.json is of, by its pre_tokenizer, normalizer and ignore_merges; null: none.
const GgufPre* gguf_pre_of(const nlohmann::json& tokenizer);

}  // namespace lowland
