#include "models/roberta/kind.h"

#include <algorithm>
#include <utility>

namespace lowland {
namespace {

EncoderKind roberta() {
  return {.base = "roberta",
          .class_names = "Roberta",
          .library = "roberta",
          .targets = "query,value",
          .heads = {"classifier"},
          .layers = "encoder.layer",
          .query = "attention.self.query",
          .key = "attention.self.key",
          .value = "attention.self.value",
          .attention = "attention.output.dense",
          .attention_norm = "attention.output.LayerNorm",
          .intermediate = "intermediate.dense",
          .output = "output.dense",
          .output_norm = "output.LayerNorm",
          .dense = "classifier.dense",
          .labels = "classifier.out_proj",
          .lm_dense = "lm_head.dense",
          .lm_norm = "lm_head.layer_norm",
          .lm_bias = "lm_head.bias",
          .lm_head = "lm_head.",
          .token_types = true,
          .pair_types = false,
          .behind_padding = true,
          .attention_dropout = true,
          .dropout_first = true,
          .relu = false};
}

EncoderKind bert() {
  EncoderKind k = roberta();
  k.base = "bert";
  k.class_names = "Bert";
  k.library = "bert";
  k.dense = "bert.pooler.dense";  // a part of the encoder: frozen beside adapters
  k.labels = "classifier";
  k.lm_dense = "cls.predictions.transform.dense";
  k.lm_norm = "cls.predictions.transform.LayerNorm";
  k.lm_bias = "cls.predictions.bias";
  k.lm_head = "cls.";
  k.pair_types = true;
  k.behind_padding = k.dropout_first = false;
  return k;
}

EncoderKind distilbert() {
  return {.base = "distilbert",
          .class_names = "DistilBert",
          .library = "distilbert",
          .targets = "q_lin,v_lin",
          .heads = {"pre_classifier", "classifier"},
          .layers = "transformer.layer",
          .query = "attention.q_lin",
          .key = "attention.k_lin",
          .value = "attention.v_lin",
          .attention = "attention.out_lin",
          .attention_norm = "sa_layer_norm",
          .intermediate = "ffn.lin1",
          .output = "ffn.lin2",
          .output_norm = "output_layer_norm",
          .dense = "pre_classifier",
          .labels = "classifier",
          .lm_dense = "vocab_transform",
          .lm_norm = "vocab_layer_norm",
          .lm_bias = "vocab_projector.bias",
          .lm_head = "vocab_",
          .token_types = false,
          .pair_types = false,
          .behind_padding = false,
          .attention_dropout = false,
          .dropout_first = false,
          .relu = true};
}

}  // namespace

const EncoderKind* encoder_kind(const std::string& model_type) {
  static const std::pair<const char*, EncoderKind> kKinds[] = {{"roberta", roberta()},
                                                               {"xlm-roberta", roberta()},
                                                               {"camembert", roberta()},
                                                               {"bert", bert()},
                                                               {"distilbert", distilbert()}};
  const auto* found =
      std::find_if(std::begin(kKinds), std::end(kKinds), [&](const auto& k) { return model_type == k.first; });
  return found == std::end(kKinds) ? nullptr : &found->second;
}

}  // namespace lowland
