#include "models/llama/config.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "engine/io/atomic_file.h"
#include "models/hub/config_keys.h"

namespace lowland {
namespace {

// Keys that this file reads.
// clang-format off
constexpr std::string_view kRead[] = {
    "model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
    "num_attention_heads", "num_key_value_heads", "head_dim", "hidden_act", "max_position_embeddings",
    "initializer_range", "rms_norm_eps", "tie_word_embeddings", "rope_theta", "rope_scaling",
    "rope_parameters", "attention_bias", "attention_dropout", "mlp_bias", "sliding_window",
    "use_sliding_window", "max_window_layers", "layer_types", "bos_token_id", "eos_token_id", "pad_token_id",
    "dtype", "torch_dtype", "_name_or_path", "architectures", "quantization_config", "partial_rotary_factor",
    "is_decoder", "add_cross_attention", "pruned_heads"};
// clang-format on

void check_keys(const JsonKeys& keys) {
  refuse_unknown_keys(keys, kRead);
  if (keys.has("quantization_config"))
    keys.refuse("quantization_config", "is set: quantised weights are not supported");
  const std::string activation = keys.text("hidden_act", "silu");
  if (activation != "silu" && activation != "swish")
    keys.refuse("hidden_act", fmt::format("is {}; only silu is supported", activation));
  if (keys.number("partial_rotary_factor", 1) != 1)
    keys.refuse("partial_rotary_factor", "is not 1, which is not supported");
  if (keys.flag("add_cross_attention", false)) keys.refuse("add_cross_attention", "is true, which is not supported");
  if (keys.has("pruned_heads") && !keys.at("pruned_heads").empty())
    keys.refuse("pruned_heads", "is set, which is not supported");
}

LlamaConfig defaults_of(const std::string& model_type) {
  LlamaConfig c;
  c.model_type = model_type;
  if (model_type == "mistral") {
    c.intermediate_size = 14336;
    c.num_key_value_heads = 8;
    c.max_position_embeddings = 4096 * 32;
    c.sliding_window = 4096;
  } else if (model_type == "qwen2") {
    c.vocab_size = 151936;
    c.intermediate_size = 22016;
    c.max_position_embeddings = 32768;
    c.qkv_bias = true;
  }
  return c;
}

void read_sizes(const JsonKeys& keys, LlamaConfig& c) {
  c.vocab_size = keys.whole("vocab_size", c.vocab_size);
  c.hidden_size = keys.whole("hidden_size", c.hidden_size);
  c.intermediate_size = keys.whole("intermediate_size", c.intermediate_size);
  c.num_hidden_layers = keys.whole("num_hidden_layers", c.num_hidden_layers);
  c.num_attention_heads = keys.whole("num_attention_heads", c.num_attention_heads);
  // A Llama without the key has as many key heads as query heads; so has any file that says null.
  const bool as_heads = keys.root().contains("num_key_value_heads") || c.model_type == "llama";
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
  if (!keys.has("head_dim") && c.hidden_size % c.num_attention_heads != 0)
    keys.refuse("hidden_size", fmt::format("is {}, not a multiple of num_attention_heads, {}, and there is no head_dim",
                                           c.hidden_size, c.num_attention_heads));
  c.head_dim = keys.whole("head_dim", c.hidden_size / c.num_attention_heads);
  if (c.head_dim < 2 || c.head_dim % 2 != 0 || c.head_dim > 1024)
    keys.refuse("head_dim", fmt::format("is {}, not an even number up to 1024", c.head_dim));
}

// rope_scaling of version 4 (null, or an object whose type is `rope_type` or, in old files, `type`) or
// rope_parameters of version 5, which holds rope_theta as well.
void read_rope(const JsonKeys& keys, const std::string& file, LlamaConfig& c) {
  c.rope_theta = keys.number("rope_theta", c.rope_theta);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!keys.has(key)) continue;
    if (!keys.at(key).is_object()) keys.refuse(key, "is not an object");
    const JsonKeys rope(keys.at(key).dump(), fmt::format("{}: {}", file, key));
    RopeScaling& s = c.rope_scaling;
    c.rope_theta = rope.number("rope_theta", c.rope_theta);
    s.type = rope.text("rope_type", rope.text("type", s.type));
    if (s.type != "default" && s.type != "linear" && s.type != "llama3")
      rope.refuse("rope_type", fmt::format("is {}; default, linear and llama3 are supported", s.type));
    if (rope.number("partial_rotary_factor", 1) != 1)
      rope.refuse("partial_rotary_factor", "is not 1, which is not supported");
    s.factor = rope.number("factor", s.factor);
    if (!(s.factor >= 1)) rope.refuse("factor", fmt::format("is {}, below 1", s.factor));
    if (s.type != "llama3") continue;
    s.low_freq_factor = rope.number("low_freq_factor", s.low_freq_factor);
    s.high_freq_factor = rope.number("high_freq_factor", s.high_freq_factor);
    s.original_max_position_embeddings = rope.whole("original_max_position_embeddings", c.max_position_embeddings);
    if (!(s.low_freq_factor > 0 && s.high_freq_factor > s.low_freq_factor))
      rope.refuse("high_freq_factor", fmt::format("is {}, low_freq_factor is {}: they must rise from above 0",
                                                  s.high_freq_factor, s.low_freq_factor));
    if (s.original_max_position_embeddings < 1)
      rope.refuse("original_max_position_embeddings", fmt::format("is {}", s.original_max_position_embeddings));
  }
  if (!(c.rope_theta > 1)) keys.refuse("rope_theta", fmt::format("is {}, not above 1", c.rope_theta));
}

void read_window(const JsonKeys& keys, LlamaConfig& c) {
  const auto told = [&](int64_t otherwise) {  // null: none
    return keys.root().contains("sliding_window") ? keys.whole("sliding_window", 0) : otherwise;
  };
  if (c.model_type == "llama" && told(0) != 0) keys.refuse("sliding_window", "is set, which a llama does not know");
  if (c.model_type == "mistral") c.sliding_window = told(4096);
  if (c.model_type == "qwen2") {
    const bool some = keys.whole("max_window_layers", 28) < c.num_hidden_layers;
    c.sliding_window = keys.flag("use_sliding_window", false) && some ? told(4096) : 0;
  }
  const std::vector<std::string> layers = keys.texts("layer_types");
  for (const std::string& layer : layers)
    if (layer != "full_attention" && layer != "sliding_attention")
      keys.refuse("layer_types", fmt::format("holds {}; full_attention and sliding_attention are supported", layer));
  const bool slides = std::find(layers.begin(), layers.end(), "sliding_attention") != layers.end();
  if (!layers.empty() && !slides) c.sliding_window = 0;
  if (c.sliding_window < 0) keys.refuse("sliding_window", fmt::format("is {}", c.sliding_window));
}

void read_ids(const JsonKeys& keys, LlamaConfig& c) {
  const auto id = [&](const char* key, int64_t otherwise) {
    const int64_t i = keys.root().contains(key) ? keys.whole(key, -1) : otherwise;
    if (i < -1 || i >= c.vocab_size)
      keys.refuse(key, fmt::format("is {}, outside the vocabulary of {}", i, c.vocab_size));
    return i;
  };
  const bool qwen2 = c.model_type == "qwen2";
  c.bos_token_id = id("bos_token_id", qwen2 ? -1 : 1);
  c.pad_token_id = id("pad_token_id", -1);
  if (!keys.has("eos_token_id")) {
    if (!keys.root().contains("eos_token_id") && !qwen2) c.eos_token_ids = {2};
    return;
  }
  const auto& eos = keys.at("eos_token_id");
  for (const auto& one : eos.is_array() ? eos : nlohmann::ordered_json::array({eos})) {
    if (!one.is_number_integer() || one < 0 || one >= c.vocab_size)
      keys.refuse("eos_token_id", fmt::format("holds {}, which is no id of the vocabulary", one.dump()));
    c.eos_token_ids.push_back(one.get<int32_t>());
  }
}

}  // namespace

LlamaConfig LlamaConfig::from_json(const std::string& text, const std::string& file_name) {
  const JsonKeys keys(text, file_name);
  const std::string type = keys.text("model_type", "");
  if (type != "llama" && type != "mistral" && type != "qwen2")
    fail("{}: model_type is {}; llama, mistral and qwen2 are supported", file_name, type.empty() ? "missing" : type);
  check_keys(keys);
  LlamaConfig c = defaults_of(type);
  read_sizes(keys, c);
  read_rope(keys, file_name, c);
  read_window(keys, c);
  read_ids(keys, c);
  c.rms_norm_eps = keys.number("rms_norm_eps", c.rms_norm_eps);
  if (!(c.rms_norm_eps > 0)) keys.refuse("rms_norm_eps", "must be above 0");
  c.tie_word_embeddings = keys.flag("tie_word_embeddings", c.tie_word_embeddings);
  if (type == "llama") {
    c.qkv_bias = c.output_bias = keys.flag("attention_bias", false);
    c.mlp_bias = keys.flag("mlp_bias", false);
  } else if (keys.flag("mlp_bias", false)) {
    keys.refuse("mlp_bias", fmt::format("is true, which a {} does not know", type));
  }
  if (type == "mistral" && keys.flag("attention_bias", false))
    keys.refuse("attention_bias", "is true, which a mistral does not know");
  c.attention_dropout = keys.number("attention_dropout", 0);
  if (!(c.attention_dropout >= 0 && c.attention_dropout < 1))
    keys.refuse("attention_dropout", fmt::format("is {}, outside [0, 1)", c.attention_dropout));
  c.initializer_range = keys.number("initializer_range", c.initializer_range);
  c.dtype = keys.text("dtype", keys.text("torch_dtype", ""));  // version 5, version 4
  c.name_or_path = keys.text("_name_or_path", "");
  c.architectures = keys.texts("architectures");
  return c;
}

LlamaConfig LlamaConfig::from_folder(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "config.json").string();
  return from_json(read_file(path, 64 << 20), path);
}

}  // namespace lowland
