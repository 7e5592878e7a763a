#include "models/llama/config.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "models/decoder/config_ids.h"
#include "models/gguf/gguf_model.h"
#include "models/hub/config_keys.h"
#include "models/llama/config_rope.h"

namespace lowland {
namespace {

void check_keys(const JsonKeys& keys, const LlamaConfig& c) {
  const bool gelu = c.kind().gelu, phi3 = c.model_type == "phi3";
  if (gelu)
    refuse_unsupported_keys(keys,
                            {"final_logit_softcapping", c.model_type == "gemma2" ? "attn_logit_softcapping" : ""});
  else
    refuse_unsupported_keys(keys, {phi3 ? "partial_rotary_factor" : ""});
  const char* key = gelu ? "hidden_activation" : "hidden_act";
  const std::string activation = keys.text(key, gelu ? "gelu_pytorch_tanh" : "silu");
  const bool known = gelu ? activation == "gelu_pytorch_tanh" : activation == "silu" || activation == "swish";
  if (!known)
    keys.refuse(key, fmt::format("is {}; only {} is supported", activation, gelu ? "gelu_pytorch_tanh" : "silu"));
  // Written by transformers into files of models that do not read them.
  if (gelu) keys.know({"hidden_act", "cache_implementation", "_sliding_window_pattern"});
  if (!phi3) return;
  keys.know({"embd_pdrop"});
  if (const double p = keys.number("resid_pdrop", 0); p != 0)
    keys.refuse("resid_pdrop", fmt::format("is {}: dropout of what attention and MLP give is not supported", p));
}

void set_sizes(LlamaConfig& c, int64_t vocabulary, int64_t width, int64_t ffn, int64_t layers, int64_t heads,
               int64_t kv_heads, int64_t positions) {
  c.vocab_size = vocabulary;
  c.hidden_size = width;
  c.intermediate_size = ffn;
  c.num_hidden_layers = layers;
  c.num_attention_heads = heads;
  c.num_key_value_heads = kv_heads;
  c.max_position_embeddings = positions;
}

LlamaConfig defaults_of(const std::string& model_type) {
  LlamaConfig c;
  c.model_type = model_type;
  c.bos_token_id = 1;
  c.eos_token_ids = {2};
  if (model_type == "mistral") {
    set_sizes(c, 32000, 4096, 14336, 32, 32, 8, 4096 * 32);
  } else if (model_type == "qwen2" || model_type == "qwen3") {
    set_sizes(c, 151936, 4096, 22016, 32, 32, 32, 32768);
    c.qkv_bias = model_type == "qwen2";
    c.bos_token_id = -1;
    c.eos_token_ids.clear();
  } else if (model_type == "phi3") {
    set_sizes(c, 32064, 3072, 8192, 32, 32, 32, 4096);
    c.rms_norm_eps = 1e-5;
    c.eos_token_ids = {32000};
    c.pad_token_id = 32000;
  } else if (c.kind().gelu) {
    const bool third = model_type == "gemma3_text";
    set_sizes(c, third ? 262208 : 256000, 2304, 9216, 26, 8, 4, third ? 131072 : 8192);
    c.rope_theta = third ? 1e6 : 1e4;
    c.query_pre_attn_scalar = 256;
    c.attn_logit_softcapping = third ? 0 : 50;
    c.final_logit_softcapping = third ? 0 : 30;
    c.tie_word_embeddings = true;
    c.bos_token_id = 2;
    c.eos_token_ids = {1};
    c.pad_token_id = 0;
  }
  return c;
}

void read_sizes(const JsonKeys& keys, LlamaConfig& c) {
  c.vocab_size = keys.whole("vocab_size", c.vocab_size);
  c.hidden_size = keys.whole("hidden_size", c.hidden_size);
  c.intermediate_size = keys.whole("intermediate_size", c.intermediate_size);
  c.num_hidden_layers = keys.whole("num_hidden_layers", c.num_hidden_layers);
  c.num_attention_heads = keys.whole("num_attention_heads", c.num_attention_heads);
  // A Llama or a Phi-3 without the key has as many key heads as query heads; so has any file that says null.
  const bool as_heads = keys.told("num_key_value_heads") || c.model_type == "llama" || c.model_type == "phi3";
  c.num_key_value_heads = keys.whole("num_key_value_heads", as_heads ? c.num_attention_heads : c.num_key_value_heads);
  c.max_position_embeddings = keys.whole("max_position_embeddings", c.max_position_embeddings);
  const std::pair<const char*, int64_t> sizes[] = {{"vocab_size", c.vocab_size},
                                                   {"hidden_size", c.hidden_size},
                                                   {"intermediate_size", c.intermediate_size},
                                                   {"num_hidden_layers", c.num_hidden_layers},
                                                   {"num_attention_heads", c.num_attention_heads},
                                                   {"num_key_value_heads", c.num_key_value_heads},
                                                   {"max_position_embeddings", c.max_position_embeddings}};
  for (const auto& [key, value] : sizes)
    if (value < 1 || value > (int64_t{1} << 31)) keys.refuse(key, fmt::format("is {}", value));
  if (c.num_attention_heads % c.num_key_value_heads != 0)
    keys.refuse("num_key_value_heads", fmt::format("is {}, which does not divide num_attention_heads, {}",
                                                   c.num_key_value_heads, c.num_attention_heads));
  const bool divided = !keys.has("head_dim") && c.kind().head_dim == 0;
  if (divided && c.hidden_size % c.num_attention_heads != 0)
    keys.refuse("hidden_size", fmt::format("is {}, not a multiple of num_attention_heads, {}, and there is no head_dim",
                                           c.hidden_size, c.num_attention_heads));
  c.head_dim = keys.whole("head_dim", divided ? c.hidden_size / c.num_attention_heads : c.kind().head_dim);
  if (c.head_dim < 2 || c.head_dim % 2 != 0 || c.head_dim > 1024)
    keys.refuse("head_dim", fmt::format("is {}, not an even number up to 1024", c.head_dim));
}

void read_layer_types(const JsonKeys& keys, LlamaConfig& c) {
  const std::vector<std::string> layers = keys.texts("layer_types");
  if (std::ssize(layers) != c.num_hidden_layers)
    keys.refuse("layer_types", fmt::format("names {} layers, not {}", layers.size(), c.num_hidden_layers));
  c.slides.clear();
  for (const std::string& layer : layers) {
    if (layer != "full_attention" && layer != "sliding_attention")
      keys.refuse("layer_types", fmt::format("holds {}; full_attention and sliding_attention are supported", layer));
    c.slides.push_back(layer == "sliding_attention");
  }
  const bool any = std::find(c.slides.begin(), c.slides.end(), true) != c.slides.end();
  if (any && c.sliding_window == 0)
    keys.refuse("layer_types", "holds sliding_attention, but no sliding_window is in use");
  if (!any) c.sliding_window = 0;
}

// As transformers has it: all layers of a mistral or a phi3; of a qwen2 or qwen3 those from max_window_layers on; of a
// gemma2 every second, of a gemma3_text all but every sixth. layer_types says otherwise.
void read_window(const JsonKeys& keys, LlamaConfig& c) {
  if (c.model_type == "llama") return;
  const auto told = [&](int64_t otherwise) {  // null: none
    return keys.told("sliding_window") ? keys.whole("sliding_window", 0) : otherwise;
  };
  if (c.model_type == "mistral" || c.model_type == "phi3") {
    c.sliding_window = told(c.kind().fused ? 0 : 4096);
  } else if (c.kind().gelu) {
    c.sliding_window = told(4096);
    const int64_t pattern = c.model_type == "gemma2" ? 2 : keys.whole("sliding_window_pattern", 6);
    if (pattern < 1) keys.refuse("sliding_window_pattern", fmt::format("is {}", pattern));
    for (int64_t i = 0; i < c.num_hidden_layers; ++i) c.slides.push_back((i + 1) % pattern != 0);
    if (keys.has("layer_types")) read_layer_types(keys, c);
  } else {
    const int64_t window = told(4096), first = keys.whole("max_window_layers", 28);
    c.sliding_window = keys.flag("use_sliding_window", false) ? window : 0;
    for (int64_t i = 0; i < c.num_hidden_layers; ++i) c.slides.push_back(i >= first);
    if (first >= c.num_hidden_layers && !keys.has("layer_types")) c.sliding_window = 0;
    if (keys.has("layer_types")) read_layer_types(keys, c);
  }
  if (c.sliding_window < 0 || c.sliding_window > (int64_t{1} << 31))
    keys.refuse("sliding_window", fmt::format("is {}", c.sliding_window));
  if (c.sliding_window == 0 && c.rope_local_base_freq == 0) c.slides.clear();
}

void read_caps(const JsonKeys& keys, LlamaConfig& c) {
  const auto cap = [&](const char* key, double& value) {  // null: none
    if (keys.told(key)) value = keys.number(key, 0);
    if (!(value >= 0)) keys.refuse(key, fmt::format("is {}, below 0", value));
  };
  cap("final_logit_softcapping", c.final_logit_softcapping);
  if (c.model_type == "gemma2") cap("attn_logit_softcapping", c.attn_logit_softcapping);
  c.query_pre_attn_scalar = keys.number("query_pre_attn_scalar", c.query_pre_attn_scalar);
  if (!(c.query_pre_attn_scalar > 0))
    keys.refuse("query_pre_attn_scalar", fmt::format("is {}, not above 0", c.query_pre_attn_scalar));
}

void read_biases(const JsonKeys& keys, LlamaConfig& c) {
  const bool mlp = keys.flag("mlp_bias", false);
  const bool attention = c.model_type != "qwen2" && keys.flag("attention_bias", false);
  const bool known = c.model_type != "mistral" && c.model_type != "phi3";
  if (attention && !known)
    keys.refuse("attention_bias", fmt::format("is true, which a {} does not know", c.model_type));
  if (mlp && c.model_type != "llama")
    keys.refuse("mlp_bias", fmt::format("is true, which a {} does not know", c.model_type));
  c.mlp_bias = mlp;
  if (c.model_type != "qwen2") c.qkv_bias = c.output_bias = attention;
}

}  // namespace

LlamaConfig::LlamaConfig() {
  model_type = "llama";
  set_sizes(*this, 32000, 4096, 11008, 32, 32, 32, 2048);
  head_dim = 128;
}

LlamaConfig LlamaConfig::from_json(const std::string& text, const std::string& file_name) {
  const JsonKeys keys(text, file_name);
  const std::string type = keys.text("model_type", "");
  if (llama_kind(type) == nullptr)
    fail("{}: model_type is {}; {} are supported", file_name, type.empty() ? "missing" : type, llama_kind_names());
  LlamaConfig c = defaults_of(type);
  check_keys(keys, c);
  read_sizes(keys, c);
  read_rope(keys, c);
  read_window(keys, c);
  read_token_ids(keys, c);
  read_biases(keys, c);
  if (c.kind().gelu) read_caps(keys, c);
  c.rms_norm_eps = keys.number("rms_norm_eps", c.rms_norm_eps);
  if (!(c.rms_norm_eps > 0)) keys.refuse("rms_norm_eps", "must be above 0");
  c.tie_word_embeddings = keys.flag("tie_word_embeddings", c.tie_word_embeddings);
  c.attention_dropout = keys.number("attention_dropout", 0);
  if (!(c.attention_dropout >= 0 && c.attention_dropout < 1))
    keys.refuse("attention_dropout", fmt::format("is {}, outside [0, 1)", c.attention_dropout));
  c.initializer_range = keys.number("initializer_range", c.initializer_range);
  read_provenance(keys, c);
  if (const std::string unused = unused_keys(keys); !unused.empty()) c.notes.push_back(unused);
  c.source = text;
  return c;
}

LlamaConfig LlamaConfig::from_folder(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "config.json").string();
  return from_json(read_model_file(path, 64 << 20), path);
}

}  // namespace lowland
