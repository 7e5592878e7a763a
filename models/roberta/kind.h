// EncoderKind: what RoBERTa, BERT and DistilBERT call the parts of a network that is one and the same, and the few
// places where they compute something else. A further one is a row of the table in kind.cpp.
#pragma once
#include <string>
#include <vector>

namespace lowland {

struct EncoderKind {
  const char* base;                // stands before all names of the bare encoder
  const char* class_names;         // how transformers' classes begin: "Bert" of BertForMaskedLM
  const char* library;             // and where they are: "bert" of transformers.models.bert.modeling_bert
  const char* targets;             // peft's default, the query and the value
  std::vector<std::string> heads;  // modules of the classifier that every adapter trains in full

  const char* layers;                                            // LAYERS.0, LAYERS.1, ... are the blocks
  const char *query, *key, *value, *attention, *attention_norm;  // in a block; `attention` is the map behind it
  const char *intermediate, *output, *output_norm;
  const char *dense, *labels;                // of the classifier: its inner map, and the one that gives the labels
  const char *lm_dense, *lm_norm, *lm_bias;  // of the masked-LM head
  const char* lm_head;                       // how these three begin

  bool token_types;        // embeddings of token types are added
  bool pair_types;         // each row's own, else that of type 0
  bool behind_padding;     // positions count from pad_token_id + 1, not from 0
  bool attention_dropout;  // dropout before the attention's norm
  bool dropout_first;      // the classifier has dropout before its inner map, too
  bool relu;               // behind that map, instead of tanh
};

// By the model_type of a config.json; null for another one.
const EncoderKind* encoder_kind(const std::string& model_type);

}  // namespace lowland
