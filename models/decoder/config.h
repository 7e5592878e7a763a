// DecoderConfig: what every decoder's config.json tells, whichever network it is, and how to get to that network.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/text/config.h"

namespace lowland {

class Decoder;
struct HubFamily;

struct DecoderConfig : TextConfig {
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t max_position_embeddings = 0;
  double attn_logit_softcapping = 0;   // cap of the scores; 0: none
  double final_logit_softcapping = 0;  // cap of the logits; 0: none
  bool tie_word_embeddings = false;
  bool head_apart = false;  // tied in the folder, but not here: an adapter holds one of the two whole
  bool classifies = false;  // the head is `score`, which gives the labels of the last row, and not lm_head
  int64_t bos_token_id = -1, pad_token_id = -1;  // -1: none
  std::vector<int32_t> eos_token_ids;            // one, several or none

  bool own_head() const { return !classifies && (!tie_word_embeddings || head_apart); }  // an lm_head of its own
  virtual HubFamily family() const = 0;                    // of its files and adapters, as of the head
  virtual std::unique_ptr<Decoder> new_model() const = 0;  // names and shapes, without memory
  virtual std::unique_ptr<DecoderConfig> copy() const = 0;

  bool causal() const override { return true; }
  void check_device(const Context& context, const std::string& folder) const override;
  std::string classifier_json() const override;
  HubFamily classifier_family() const override;
  std::unique_ptr<TextModel> new_classifier() const override;

 private:
  std::unique_ptr<DecoderConfig> as_classifier() const;
};

inline constexpr const char* kScore = "score";  // the head of a classifier

// The configuration of whichever decoder the text's model_type names. Throws Error on one that is not known, and as the
// network's own reader does.
std::unique_ptr<DecoderConfig> read_decoder_config(const std::string& json, const std::string& file_name);
std::unique_ptr<DecoderConfig> decoder_config_of(const std::string& folder);

}  // namespace lowland
