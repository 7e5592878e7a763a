#include "models/llama/config.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "engine/io/atomic_file.h"
#include "models/hub/config_keys.h"

namespace lowland {
namespace {

void check_keys(const JsonKeys& keys) {
  refuse_unsupported_keys(keys);
  const std::string activation = keys.text("hidden_act", "silu");
  if (activation != "silu" && activation != "swish")
    keys.refuse("hidden_act", fmt::format("is {}; only silu is supported", activation));
}

LlamaConfig defaults_of(const std::string& model_type) {
  LlamaConfig c;
  c.model_type = model_type;
  if (model_type == "mistral") {
    c.intermediate_size = 14336;
    c.num_key_value_heads = 8;
    c.max_position_embeddings = 4096 * 32;
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
  const bool as_heads = keys.told("num_key_value_heads") || c.model_type == "llama";
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

// By kinds of layers (full_attention: {...}), which no model type here has.
void refuse_nested(const JsonKeys& rope) {
  for (const auto& [key, value] : rope.root().items())
    if (value.is_object()) rope.refuse(key.c_str(), "is an object: a rope for each kind of layer is not supported");
}

std::vector<double> read_factors(const JsonKeys& rope, const char* key, int64_t count) {
  std::vector<double> out;
  if (rope.has(key) && rope.at(key).is_array())
    for (const auto& value : rope.at(key)) out.push_back(value.is_number() ? value.get<double>() : 0);
  const bool fits = std::ssize(out) == count && *std::min_element(out.begin(), out.end()) > 0;
  if (!fits) rope.refuse(key, fmt::format("must be {} numbers above 0, half of head_dim", count));
  return out;
}

void read_yarn(const JsonKeys& rope, RopeScaling& s) {
  s.beta_fast = rope.number("beta_fast", 0);
  s.beta_slow = rope.number("beta_slow", 0);
  if (s.beta_fast == 0) s.beta_fast = 32;
  if (s.beta_slow == 0) s.beta_slow = 1;
  s.truncate = rope.flag("truncate", true);
  const double mscale = rope.number("mscale", 0), all = rope.number("mscale_all_dim", 0);
  const auto of = [&](double m) { return s.factor <= 1 ? 1 : 0.1 * m * std::log(s.factor) + 1; };
  s.attention_factor = rope.number("attention_factor", mscale != 0 && all != 0 ? of(mscale) / of(all) : of(1));
}

void read_longrope(const JsonKeys& rope, int64_t head_dim, RopeScaling& s) {
  s.short_factor = read_factors(rope, "short_factor", head_dim / 2);
  s.long_factor = read_factors(rope, "long_factor", head_dim / 2);
  const double original = static_cast<double>(s.original_max_position_embeddings);
  const double plain = s.factor <= 1 ? 1 : std::sqrt(1 + std::log(s.factor) / std::log(original));
  s.attention_factor = rope.number("attention_factor", plain);
}

void read_llama3(const JsonKeys& rope, RopeScaling& s) {
  s.low_freq_factor = rope.number("low_freq_factor", s.low_freq_factor);
  s.high_freq_factor = rope.number("high_freq_factor", s.high_freq_factor);
  if (!(s.low_freq_factor > 0 && s.high_freq_factor > s.low_freq_factor))
    rope.refuse("high_freq_factor", fmt::format("is {}, low_freq_factor is {}: they must rise from above 0",
                                                s.high_freq_factor, s.low_freq_factor));
}

// `rope`: the object that holds the settings. `keys`: the file around it, whose original_max_position_embeddings wins.
void read_scaling(const JsonKeys& keys, const JsonKeys& rope, LlamaConfig& c) {
  RopeScaling& s = c.rope_scaling;
  refuse_nested(rope);
  refuse_unsupported_keys(rope);
  s.type = rope.text("rope_type", rope.text("type", s.type));
  const bool long_ago = s.type == "llama3" || s.type == "yarn" || s.type == "longrope";
  if (s.type != "default" && s.type != "linear" && s.type != "dynamic" && !long_ago)
    rope.refuse("rope_type",
                fmt::format("is {}; default, linear, dynamic, llama3, yarn and longrope are supported", s.type));
  if (s.type == "default") return;
  const int64_t inside = rope.whole("original_max_position_embeddings", c.max_position_embeddings);
  s.original_max_position_embeddings = keys.whole("original_max_position_embeddings", inside);
  if (long_ago && s.original_max_position_embeddings < 2)
    rope.refuse("original_max_position_embeddings", fmt::format("is {}", s.original_max_position_embeddings));
  const double ratio =
      static_cast<double>(c.max_position_embeddings) / static_cast<double>(s.original_max_position_embeddings);
  const bool may_miss = s.type == "yarn" || s.type == "longrope";
  if (!may_miss && !rope.has("factor")) rope.refuse("factor", fmt::format("is missing, which {} needs", s.type));
  s.factor = rope.number("factor", ratio);
  if (!(s.factor > 0)) rope.refuse("factor", fmt::format("is {}, not above 0", s.factor));
  if (s.type == "llama3") read_llama3(rope, s);
  if (s.type == "yarn") read_yarn(rope, s);
  if (s.type == "longrope") read_longrope(rope, c.head_dim, s);
  if (!(s.attention_factor > 0)) rope.refuse("attention_factor", fmt::format("is {}, not above 0", s.attention_factor));
}

// rope_scaling of version 4 (null, or an object whose type is `rope_type` or, in old files, `type`) or
// rope_parameters of version 5. Where both are there, transformers reads the first and nothing of the second.
// rope_theta stands in the object or beside it.
void read_rope(const JsonKeys& keys, LlamaConfig& c) {
  keys.know({"original_max_position_embeddings"});
  c.rope_theta = keys.number("rope_theta", c.rope_theta);
  const auto on = [&](const char* key) { return keys.has(key) && !is_off(keys.at(key)); };
  const bool scaling = on("rope_scaling"), parameters = on("rope_parameters");
  const char* key = scaling ? "rope_scaling" : "rope_parameters";
  if (scaling || parameters) {
    if (!keys.at(key).is_object()) keys.refuse(key, "is not an object");
    const JsonKeys rope(keys.at(key).dump(), fmt::format("{}: {}", keys.file(), key));
    read_scaling(keys, rope, c);
    c.rope_theta = rope.number("rope_theta", c.rope_theta);
  }
  if (!(c.rope_theta > 1)) keys.refuse("rope_theta", fmt::format("is {}, not above 1", c.rope_theta));
  if (!scaling || !parameters) return;
  LlamaConfig other = c;  // as if there were no rope_scaling
  other.rope_scaling = {};
  other.rope_theta = keys.number("rope_theta", LlamaConfig().rope_theta);
  const JsonKeys rope(keys.at("rope_parameters").dump(), keys.file() + ": rope_parameters");
  read_scaling(keys, rope, other);
  other.rope_theta = rope.number("rope_theta", other.rope_theta);
  const int64_t far = std::max(c.max_position_embeddings, other.max_position_embeddings) + 1;
  if (rope_frequencies(c, far) != rope_frequencies(other, far))
    c.notes.push_back(keys.file() +
                      ": rope_scaling and rope_parameters differ: the first is used, as transformers does");
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

// As transformers has it: all layers of a mistral, those from max_window_layers on or of layer_types of a qwen2.
void read_window(const JsonKeys& keys, LlamaConfig& c) {
  if (c.model_type == "llama") return;
  const auto told = [&] {  // null: none
    return keys.told("sliding_window") ? keys.whole("sliding_window", 0) : 4096;
  };
  if (c.model_type == "mistral") {
    c.sliding_window = told();
  } else {
    const int64_t window = told(), first = keys.whole("max_window_layers", 28);
    c.sliding_window = keys.flag("use_sliding_window", false) ? window : 0;
    for (int64_t i = 0; i < c.num_hidden_layers; ++i) c.slides.push_back(i >= first);
    if (first >= c.num_hidden_layers && !keys.has("layer_types")) c.sliding_window = 0;
    if (keys.has("layer_types")) read_layer_types(keys, c);
  }
  if (c.sliding_window < 0 || c.sliding_window > (int64_t{1} << 31))
    keys.refuse("sliding_window", fmt::format("is {}", c.sliding_window));
  if (c.sliding_window == 0) c.slides.clear();
}

void read_ids(const JsonKeys& keys, LlamaConfig& c) {
  const auto id = [&](const char* key, int64_t otherwise) {
    const int64_t i = keys.told(key) ? keys.whole(key, -1) : otherwise;
    if (i < -1 || i >= c.vocab_size)
      keys.refuse(key, fmt::format("is {}, outside the vocabulary of {}", i, c.vocab_size));
    return i;
  };
  const bool qwen2 = c.model_type == "qwen2";
  c.bos_token_id = id("bos_token_id", qwen2 ? -1 : 1);
  c.pad_token_id = id("pad_token_id", -1);
  if (!keys.has("eos_token_id")) {
    if (!keys.told("eos_token_id") && !qwen2) c.eos_token_ids = {2};
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
  read_rope(keys, c);
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
  if (const std::string unused = unused_keys(keys); !unused.empty()) c.notes.push_back(unused);
  c.source = text;
  return c;
}

LlamaConfig LlamaConfig::from_folder(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "config.json").string();
  return from_json(read_file(path, 64 << 20), path);
}

}  // namespace lowland
