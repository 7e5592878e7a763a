// The components of tokenizer.json other than the model. Each is either reproduced, or refused by its name.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "models/tokenizers/bpe_tokenizer.h"

namespace lowland {

// Reads the components of one file, which its errors name.
class TokenizerJsonParts {
 public:
  explicit TokenizerJsonParts(std::string file) : file_(std::move(file)) {}

  // byte_level: whether the pre_tokenizer has ByteLevel, and so pieces are written in its alphabet.
  BpePipeline pipeline(const nlohmann::json& whole, bool& byte_level) const;
  InputTemplate post_processor(const nlohmann::json& component) const;
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  void add_normalizer(const nlohmann::json& component, std::vector<Normalizer::Step>& steps) const;
  void add_pre_tokenizer(const nlohmann::json& component, BpePipeline& out, bool& byte_level) const;
  void metaspace(const nlohmann::json& component, BpePipeline& out) const;
  SplitExpression split(const nlohmann::json& component) const;
  DecodeRules decoder(const nlohmann::json& component) const;
  DecodeRules decoder_sequence(const nlohmann::json& list) const;
  std::vector<int32_t> template_items(const nlohmann::json& items, const nlohmann::json& special) const;
  int32_t special_id(const nlohmann::json& id) const;

  std::string file_;
};

// The part of an object, null where it has none.
const nlohmann::json& json_part(const nlohmann::json& object, const char* key);
// The name of a component, for the decision and for an error.
std::string json_type(const nlohmann::json& component);

}  // namespace lowland
