// RobertaConfig: config.json of a RoBERTa, BERT or DistilBERT folder, in the spellings of transformers 4 and 5. Keys
// that the file omits have transformers' defaults. Settings that would change the network in a way Lowland does not
// compute are refused by name: a config that exists is one the model computes exactly.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "models/roberta/kind.h"
#include "models/text/config.h"

namespace lowland {

// model_type: "roberta", "bert" or "distilbert" (models/roberta/kind.h); also "xlm-roberta" and "camembert", which are
// RoBERTa's network with its tensor names (their vocabularies and tokenizers differ).
struct RobertaConfig final : TextConfig {
  RobertaConfig();  // roberta-base's sizes, and BERT's positions and types

  int64_t intermediate_size = 3072;
  int64_t max_position_embeddings = 512;  // first_position() more than the tokens of a segment
  int64_t type_vocab_size = 2;
  double layer_norm_eps = 1e-12;
  double hidden_dropout_prob = 0.1;
  double attention_probs_dropout_prob = 0.1;
  std::optional<double> classifier_dropout;  // null: hidden_dropout_prob
  int64_t pad_token_id = 1, bos_token_id = 0, eos_token_id = 2;
  bool tie_word_embeddings = true;

  static RobertaConfig from_json(const std::string& text, const std::string& file_name);
  static RobertaConfig from_folder(const std::string& folder);
  // The file that was read, with what has changed since; without one, transformers 4 spelling, which version 5 reads as
  // well. Ends in a newline.
  std::string to_json() const override;
  nlohmann::json own_json() const;  // the second of these in any case

  int64_t head_dim() const { return hidden_size / num_attention_heads; }
  const EncoderKind& kind() const;  // throws Error on a model_type that is none of these
  int64_t first_position() const { return kind().behind_padding ? pad_token_id + 1 : 0; }
  double head_dropout() const { return classifier_dropout.value_or(hidden_dropout_prob); }

  // 512 for the published RoBERTas' 514 rows.
  int64_t max_tokens() const override { return max_position_embeddings - first_position(); }
  std::string embedding() const override { return std::string(kind().base) + ".embeddings.word_embeddings"; }
  bool causal() const override { return false; }
  std::string classifier_class() const override {
    return std::string(kind().class_names) + (label_words.empty() ? "ForSequenceClassification" : "ForMaskedLM");
  }
  std::string classifier_json() const override;
  HubFamily classifier_family() const override;
  std::unique_ptr<TextModel> new_classifier() const override;
};

}  // namespace lowland
