#include "models/gguf/model_keys.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"

namespace lowland {
namespace {

class KeyWriter {
 public:
  KeyWriter(GgufKeys& keys, const LlamaConfig& config)
      : keys_(keys), c_(config), arch_(architecture_for(config)), head_(std::string(arch_.name) + ".") {}

  GgufBuffers put() {
    whole("vocab_size", c_.vocab_size);
    whole("context_length", c_.max_position_embeddings);
    whole("embedding_length", c_.hidden_size);
    whole("block_count", c_.num_hidden_layers);
    whole("feed_forward_length", c_.intermediate_size);
    whole("attention.head_count", c_.num_attention_heads);
    whole("attention.head_count_kv", c_.num_key_value_heads);
    whole("attention.key_length", c_.head_dim);
    whole("attention.value_length", c_.head_dim);
    number("attention.layer_norm_rms_epsilon", c_.rms_norm_eps);
    whole("rope.dimension_count", c_.rotary_dim());
    number("rope.freq_base", c_.rope_theta);
    put_rope();
    if (c_.kind().gelu)
      put_gemma();
    else if (c_.model_type == "phi3" && c_.sliding_window > 0)
      whole("attention.sliding_window", c_.sliding_window);
    else if (c_.sliding_window > 0)
      out_.notes.push_back(
          fmt::format("llama.cpp knows no window of a {}: it attends to all of a text beyond {} tokens", c_.model_type,
                      c_.sliding_window));
    return std::move(out_);
  }

 private:
  void whole(const char* name, int64_t value) { keys_.whole(head_ + name, value); }
  void number(const char* name, double value) { keys_.number(head_ + name, value); }
  void text(const char* name, const char* value) { keys_.text(head_ + name, value); }
  [[noreturn]] void refuse(const std::string& what) const {
    fail("a {} with {} has no place in a GGUF file: llama.cpp does not compute it", c_.model_type, what);
  }

  void put_factors(const char* name, std::vector<double> factors) {
    out_.tensors.emplace_back(name, std::vector<float>(factors.begin(), factors.end()));
  }

  void put_rope() {
    const RopeScaling& s = c_.rope_scaling;
    if (s.type == "default") return;
    if (s.type == "llama3") {  // as factors of each frequency
      LlamaConfig plain = c_;
      plain.rope_scaling = {};
      const std::vector<float> scaled = rope_frequencies(c_), as_trained = rope_frequencies(plain);
      std::vector<double> factors;
      for (size_t i = 0; i < scaled.size(); ++i)
        factors.push_back(static_cast<double>(as_trained[i]) / static_cast<double>(scaled[i]));
      return put_factors("rope_freqs.weight", factors);
    }
    if (s.type != "linear" && s.type != "yarn" && s.type != "longrope") refuse("rope_scaling " + s.type);
    text("rope.scaling.type", s.type.c_str());
    number("rope.scaling.factor", s.factor);
    if (s.type == "linear") return;
    whole("rope.scaling.original_context_length", s.original_max_position_embeddings);
    if (s.type == "longrope") {
      number("rope.scaling.attn_factor", s.attention_factor);
      put_factors("rope_factors_long.weight", s.long_factor);
      put_factors("rope_factors_short.weight", s.short_factor);
      return;
    }
    if (!s.truncate) refuse("rope_scaling yarn without truncate");
    const double usual = s.factor <= 1 ? 1 : 0.1 * std::log(s.factor) + 1;
    if (std::abs(s.attention_factor - usual) > 1e-6) refuse("an attention_factor of its own in yarn");
    number("rope.scaling.yarn_beta_fast", s.beta_fast);
    number("rope.scaling.yarn_beta_slow", s.beta_slow);
  }

  // What llama.cpp takes for granted of them must be so.
  void put_gemma() {
    const bool third = c_.model_type == "gemma3_text", largest = c_.num_hidden_layers == (third ? 62 : 46);
    const int64_t scalar = largest ? c_.hidden_size / c_.num_attention_heads : c_.head_dim;
    if (c_.query_pre_attn_scalar != static_cast<double>(scalar))
      refuse(fmt::format("query_pre_attn_scalar {}, not {}", c_.query_pre_attn_scalar, scalar));
    for (int64_t i = 0; i < c_.num_hidden_layers; ++i)
      if ((c_.window_of(i) > 0) != ((i + 1) % (third ? 6 : 2) != 0)) refuse("windows in other layers than it expects");
    whole("attention.sliding_window", c_.sliding_window);
    number("attn_logit_softcapping", c_.attn_logit_softcapping);
    number("final_logit_softcapping", c_.final_logit_softcapping);
    if (third && c_.rope_local_base_freq != 10000) number("rope.freq_base_swa", c_.rope_local_base_freq);
  }

  GgufKeys& keys_;
  const LlamaConfig& c_;
  const GgufArchitecture& arch_;
  std::string head_;
  GgufBuffers out_;
};

}  // namespace

const GgufArchitecture& architecture_for(const LlamaConfig& config) {
  const GgufArchitecture* found = gguf_architecture_for(config.model_type);
  LL_CHECK(found != nullptr && !found->encoder, "a {} is not written as GGUF: {} are", config.model_type,
           gguf_architecture_names());
  return *found;
}

GgufBuffers put_model_keys(GgufKeys& keys, const LlamaConfig& config) { return KeyWriter(keys, config).put(); }

}  // namespace lowland
