// DecoderConfig: what every decoder's config.json tells, whichever network it is, and how to get to that network.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace lowland {

class Decoder;
struct HubFamily;

struct DecoderConfig {
  std::string model_type;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t max_position_embeddings = 0;
  double attn_logit_softcapping = 0;   // cap of the scores; 0: none
  double final_logit_softcapping = 0;  // cap of the logits; 0: none
  bool tie_word_embeddings = false;
  bool head_apart = false;  // tied in the folder, but not here: an adapter holds one of the two whole
  double initializer_range = 0.02;
  int64_t bos_token_id = -1, pad_token_id = -1;  // -1: none
  std::vector<int32_t> eos_token_ids;            // one, several or none
  std::string dtype;                             // "float32", "bfloat16", ... as the file says; empty if it does not
  std::string name_or_path;                      // `_name_or_path`
  std::vector<std::string> architectures;
  std::vector<std::string> notes;  // sentences on what the file says and nobody uses
  std::string source;              // the file's text; empty if there is none

  DecoderConfig() = default;
  DecoderConfig(const DecoderConfig&) = default;
  DecoderConfig& operator=(const DecoderConfig&) = default;
  virtual ~DecoderConfig() = default;

  bool own_head() const { return !tie_word_embeddings || head_apart; }
  virtual int64_t max_tokens() const = 0;                  // longest segment
  virtual const char* embedding() const = 0;               // the module of the table of tokens
  virtual std::string to_json() const = 0;                 // the file that was read, with what has changed since
  virtual HubFamily family() const = 0;                    // of its files and adapters
  virtual std::unique_ptr<Decoder> new_model() const = 0;  // names and shapes, without memory
  virtual std::unique_ptr<DecoderConfig> copy() const = 0;
};

// The configuration of whichever decoder the text's model_type names. Throws Error on one that is not known, and as the
// network's own reader does.
std::unique_ptr<DecoderConfig> read_decoder_config(const std::string& json, const std::string& file_name);
std::unique_ptr<DecoderConfig> decoder_config_of(const std::string& folder);

}  // namespace lowland
