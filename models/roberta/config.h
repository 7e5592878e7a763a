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

namespace lowland {

struct RobertaConfig {
  // "roberta", "bert" or "distilbert" (models/roberta/kind.h); also "xlm-roberta" and "camembert", which are RoBERTa's
  // network with its tensor names (their vocabularies and tokenizers differ).
  std::string model_type = "roberta";
  int64_t vocab_size = 50265;
  int64_t hidden_size = 768;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 12;
  int64_t intermediate_size = 3072;
  int64_t max_position_embeddings = 512;  // first_position() more than the tokens of a segment
  int64_t type_vocab_size = 2;
  double layer_norm_eps = 1e-12;
  double hidden_dropout_prob = 0.1;
  double attention_probs_dropout_prob = 0.1;
  std::optional<double> classifier_dropout;  // null: hidden_dropout_prob
  double initializer_range = 0.02;
  int64_t pad_token_id = 1, bos_token_id = 0, eos_token_id = 2;
  bool tie_word_embeddings = true;

  int64_t num_labels = 2;
  std::vector<std::string> labels{"LABEL_0", "LABEL_1"};  // id2label: num_labels names
  std::string problem_type;  // "regression", "single_label_classification", or empty: the task decides
  std::string dtype;         // "float32", "bfloat16", ... as the file says; empty if it does not
  std::string name_or_path;  // `_name_or_path`
  std::vector<std::string> architectures;
  std::vector<std::string> notes;  // sentences on what the file says and nobody uses
  std::string source;              // the file's text; empty if there is none

  static RobertaConfig from_json(const std::string& text, const std::string& file_name);
  static RobertaConfig from_folder(const std::string& folder);
  // The file that was read, with what has changed since; without one, transformers 4 spelling, which version 5 reads as
  // well. Ends in a newline.
  std::string to_json() const;
  nlohmann::json own_json() const;  // the second of these in any case

  void set_labels(std::vector<std::string> names);  // sets num_labels too
  int64_t head_dim() const { return hidden_size / num_attention_heads; }
  const EncoderKind& kind() const;  // throws Error on a model_type that is none of these
  int64_t first_position() const { return kind().behind_padding ? pad_token_id + 1 : 0; }
  // Longest segment in tokens: 512 for the published RoBERTas' 514 rows.
  int64_t max_tokens() const { return max_position_embeddings - first_position(); }
  double head_dropout() const { return classifier_dropout.value_or(hidden_dropout_prob); }
  // True if the file names its labels (not LABEL_0, LABEL_1, ...).
  bool has_own_labels() const;
};

}  // namespace lowland
