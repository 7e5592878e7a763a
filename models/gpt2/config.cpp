#include "models/gpt2/config.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "models/decoder/config_ids.h"
#include "models/gpt2/gpt2.h"
#include "models/hub/config_keys.h"

namespace lowland {
namespace {

void read_sizes(const JsonKeys& keys, Gpt2Config& c) {
  c.vocab_size = keys.whole("vocab_size", c.vocab_size);
  c.hidden_size = keys.whole("n_embd", c.hidden_size);
  c.num_hidden_layers = keys.whole("n_layer", c.num_hidden_layers);
  c.num_attention_heads = c.num_key_value_heads = keys.whole("n_head", c.num_attention_heads);
  c.max_position_embeddings = keys.whole("n_positions", c.max_position_embeddings);
  if (keys.has("n_inner")) c.n_inner = keys.whole("n_inner", 0);
  const std::pair<const char*, int64_t> sizes[] = {
      {"vocab_size", c.vocab_size},      {"n_embd", c.hidden_size}, {"n_layer", c.num_hidden_layers},
      {"n_head", c.num_attention_heads}, {"n_inner", c.ffn()},      {"n_positions", c.max_position_embeddings}};
  for (const auto& [key, value] : sizes)
    if (value < 1 || value > (int64_t{1} << 31)) keys.refuse(key, fmt::format("is {}", value));
  if (c.hidden_size % c.num_attention_heads != 0)
    keys.refuse("n_embd", fmt::format("is {}, not a multiple of n_head, {}", c.hidden_size, c.num_attention_heads));
  c.head_dim = c.hidden_size / c.num_attention_heads;
}

void read_dropouts(const JsonKeys& keys, Gpt2Config& c) {
  const auto read = [&](const char* key, double& p) {
    p = keys.number(key, p);
    if (!(p >= 0 && p < 1)) keys.refuse(key, fmt::format("is {}, outside [0, 1)", p));
  };
  read("resid_pdrop", c.resid_pdrop);
  read("embd_pdrop", c.embd_pdrop);
  read("attn_pdrop", c.attn_pdrop);
}

}  // namespace

Gpt2Config::Gpt2Config() {
  model_type = "gpt2";
  vocab_size = 50257;
  hidden_size = 768;
  num_hidden_layers = num_attention_heads = num_key_value_heads = 12;
  head_dim = 64;
  max_position_embeddings = 1024;
  tie_word_embeddings = true;
  bos_token_id = 50256;
  eos_token_ids = {50256};
}

double Gpt2Config::attention_scale(int64_t layer) const {
  const double scale = scale_attn_weights ? 1 / std::sqrt(static_cast<double>(head_dim)) : 1;
  return scale_attn_by_inverse_layer_idx ? scale / static_cast<double>(layer + 1) : scale;
}

Gpt2Config Gpt2Config::from_json(const std::string& text, const std::string& file_name) {
  const JsonKeys keys(text, file_name);
  if (const std::string type = keys.text("model_type", ""); type != "gpt2")
    fail("{}: model_type is {}, not gpt2", file_name, type.empty() ? "missing" : type);
  refuse_unsupported_keys(keys);
  Gpt2Config c;
  read_sizes(keys, c);
  read_dropouts(keys, c);
  c.activation_function = keys.text("activation_function", c.activation_function);
  if (gpt2_activation(c.activation_function) == nullptr)
    keys.refuse("activation_function",
                fmt::format("is {}; {} are supported", c.activation_function, gpt2_activation_names()));
  c.layer_norm_epsilon = keys.number("layer_norm_epsilon", c.layer_norm_epsilon);
  if (!(c.layer_norm_epsilon > 0)) keys.refuse("layer_norm_epsilon", "must be above 0");
  c.scale_attn_weights = keys.flag("scale_attn_weights", c.scale_attn_weights);
  c.scale_attn_by_inverse_layer_idx = keys.flag("scale_attn_by_inverse_layer_idx", c.scale_attn_by_inverse_layer_idx);
  c.tie_word_embeddings = keys.flag("tie_word_embeddings", c.tie_word_embeddings);
  c.initializer_range = keys.number("initializer_range", c.initializer_range);
  if (c.bos_token_id >= c.vocab_size) {  // the defaults are of the published vocabulary
    c.bos_token_id = -1;
    c.eos_token_ids.clear();
  }
  read_token_ids(keys, c);
  read_provenance(keys, c);
  // Of a classifier's head, of another order of the same computation, and of what nobody reads any more.
  keys.know({"summary_type", "summary_use_proj", "summary_activation", "summary_proj_to_labels",
             "summary_first_dropout", "reorder_and_upcast_attn", "n_ctx", "n_special", "predict_special_tokens"});
  if (const std::string unused = unused_keys(keys); !unused.empty()) c.notes.push_back(unused);
  c.source = text;
  return c;
}

std::string Gpt2Config::to_json() const {
  if (source.empty()) return own_json().dump(2) + "\n";
  return json_with_changes(source, from_json(source, "config.json").own_json(), own_json());
}

nlohmann::json Gpt2Config::own_json() const {
  nlohmann::json j;
  j["architectures"] = architectures.empty() ? std::vector<std::string>{"GPT2LMHeadModel"} : architectures;
  j["model_type"] = model_type;
  j["vocab_size"] = vocab_size;
  j["n_embd"] = hidden_size;
  j["n_layer"] = num_hidden_layers;
  j["n_head"] = num_attention_heads;
  j["n_inner"] = n_inner > 0 ? nlohmann::json(n_inner) : nlohmann::json(nullptr);
  j["n_positions"] = max_position_embeddings;
  j["activation_function"] = activation_function;
  j["resid_pdrop"] = resid_pdrop;
  j["embd_pdrop"] = embd_pdrop;
  j["attn_pdrop"] = attn_pdrop;
  j["layer_norm_epsilon"] = layer_norm_epsilon;
  j["initializer_range"] = initializer_range;
  j["scale_attn_weights"] = scale_attn_weights;
  j["scale_attn_by_inverse_layer_idx"] = scale_attn_by_inverse_layer_idx;
  j["tie_word_embeddings"] = tie_word_embeddings;
  j["use_cache"] = true;
  put_token_ids(*this, j);
  if (classifies) put_labels(*this, j);
  if (!dtype.empty()) j["torch_dtype"] = dtype;
  if (!name_or_path.empty()) j["_name_or_path"] = name_or_path;
  return j;
}

}  // namespace lowland
