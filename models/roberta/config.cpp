#include "models/roberta/config.h"

#include <algorithm>
#include <filesystem>

#include "models/gguf/gguf_model.h"
#include "models/hub/config_keys.h"

namespace lowland {
namespace {

// Keys that DistilBERT calls otherwise than the others.
struct Spelling {
  const char* hidden_size = "hidden_size";
  const char* layers = "num_hidden_layers";
  const char* heads = "num_attention_heads";
  const char* intermediate = "intermediate_size";
  const char* dropout = "hidden_dropout_prob";
  const char* attention_dropout = "attention_probs_dropout_prob";
  const char* head_dropout = "classifier_dropout";
  const char* activation = "hidden_act";
};
constexpr Spelling kDistilBert{
    "dim", "n_layers", "n_heads", "hidden_dim", "dropout", "attention_dropout", "seq_classif_dropout", "activation"};

bool is_distilbert(const RobertaConfig& c) { return c.model_type == "distilbert"; }
Spelling spelling(const RobertaConfig& c) { return is_distilbert(c) ? kDistilBert : Spelling(); }

// Settings that change the network, and the one value Lowland computes.
void check_supported(const JsonKeys& keys, const RobertaConfig& c) {
  const char* key = spelling(c).activation;
  const std::string activation = keys.text(key, "gelu");
  if (activation != "gelu") keys.refuse(key, fmt::format("is {}; only gelu is supported", activation));
  const std::string positions = keys.text("position_embedding_type", "absolute");
  if (positions != "absolute") {
    keys.refuse("position_embedding_type", fmt::format("is {}; only absolute is supported", positions));
  }
  if (keys.flag("is_decoder", false)) keys.refuse("is_decoder", "is true, which is not supported");
  refuse_unsupported_keys(keys);
  if (c.kind().behind_padding && keys.told("pad_token_id") && !keys.has("pad_token_id"))
    keys.refuse("pad_token_id", "is null: positions are counted from it");
}

void check_sizes(const JsonKeys& keys, const RobertaConfig& c) {
  const Spelling key = spelling(c);
  const std::pair<const char*, int64_t> sizes[] = {
      {"vocab_size", c.vocab_size},           {key.hidden_size, c.hidden_size},
      {key.heads, c.num_attention_heads},     {key.intermediate, c.intermediate_size},
      {"type_vocab_size", c.type_vocab_size}, {key.layers, c.num_hidden_layers}};
  for (const auto& [name, value] : sizes) {
    if (value < 1 || value > (int64_t{1} << 31)) keys.refuse(name, fmt::format("is {}", value));
  }
  if (c.hidden_size % c.num_attention_heads != 0) {
    keys.refuse(key.hidden_size,
                fmt::format("is {}, not a multiple of {}, {}", c.hidden_size, key.heads, c.num_attention_heads));
  }
  if (c.pad_token_id < 0 || c.pad_token_id >= c.vocab_size)
    keys.refuse("pad_token_id", fmt::format("is {}", c.pad_token_id));
  if (c.max_tokens() < 1 || c.max_position_embeddings > (int64_t{1} << 31)) {
    keys.refuse("max_position_embeddings",
                fmt::format("is {}, which leaves room for no token", c.max_position_embeddings));
  }
  if (!(c.layer_norm_eps > 0)) keys.refuse("layer_norm_eps", "must be above 0");
  const std::pair<const char*, double> dropouts[] = {{key.dropout, c.hidden_dropout_prob},
                                                     {key.attention_dropout, c.attention_probs_dropout_prob},
                                                     {key.head_dropout, c.head_dropout()}};
  for (const auto& [name, p] : dropouts) {
    if (!(p >= 0 && p < 1)) keys.refuse(name, fmt::format("is {}, outside [0, 1)", p));
  }
}

}  // namespace

RobertaConfig::RobertaConfig() {
  model_type = "roberta";
  vocab_size = 50265;
  hidden_size = 768;
  num_hidden_layers = num_attention_heads = 12;
}

RobertaConfig RobertaConfig::from_json(const std::string& text, const std::string& file_name) {
  const JsonKeys keys(text, file_name);
  RobertaConfig c;
  c.model_type = keys.text("model_type", "");
  if (encoder_kind(c.model_type) == nullptr) {
    fail("{}: model_type is {}, not roberta, bert or distilbert (nor xlm-roberta or camembert, RoBERTa's network)",
         file_name, c.model_type.empty() ? "missing" : c.model_type);
  }
  check_supported(keys, c);
  const Spelling key = spelling(c);
  if (!c.kind().behind_padding) c.pad_token_id = 0;
  if (is_distilbert(c)) {
    c.classifier_dropout = 0.2;
    keys.know({"qa_dropout", "sinusoidal_pos_embds", "tie_weights_"});  // of another head; how a new table begins
  } else {
    c.type_vocab_size = keys.whole("type_vocab_size", c.type_vocab_size);
    c.layer_norm_eps = keys.number("layer_norm_eps", c.layer_norm_eps);
  }
  c.vocab_size = keys.whole("vocab_size", c.model_type == "roberta" ? c.vocab_size : 30522);
  c.hidden_size = keys.whole(key.hidden_size, c.hidden_size);
  c.num_hidden_layers = keys.whole(key.layers, is_distilbert(c) ? 6 : c.num_hidden_layers);
  c.num_attention_heads = keys.whole(key.heads, c.num_attention_heads);
  c.intermediate_size = keys.whole(key.intermediate, c.intermediate_size);
  c.max_position_embeddings = keys.whole("max_position_embeddings", c.max_position_embeddings);
  c.hidden_dropout_prob = keys.number(key.dropout, c.hidden_dropout_prob);
  c.attention_probs_dropout_prob = keys.number(key.attention_dropout, c.attention_probs_dropout_prob);
  if (keys.has(key.head_dropout)) c.classifier_dropout = keys.number(key.head_dropout, 0);
  c.initializer_range = keys.number("initializer_range", c.initializer_range);
  c.pad_token_id = keys.whole("pad_token_id", c.pad_token_id);
  c.bos_token_id = keys.whole("bos_token_id", c.bos_token_id);
  if (keys.has("eos_token_id") && !keys.at("eos_token_id").is_array()) {
    c.eos_token_id = keys.whole("eos_token_id", c.eos_token_id);
  }
  c.tie_word_embeddings = keys.flag("tie_word_embeddings", c.tie_word_embeddings);
  read_labels(keys, c);
  c.dtype = keys.text("dtype", keys.text("torch_dtype", ""));  // version 5, version 4
  c.name_or_path = keys.text("_name_or_path", "");
  c.architectures = keys.texts("architectures");
  check_sizes(keys, c);
  if (const std::string unused = unused_keys(keys); !unused.empty()) c.notes.push_back(unused);
  c.source = text;
  return c;
}

RobertaConfig RobertaConfig::from_folder(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "config.json").string();
  return from_json(read_model_file(path, 64 << 20), path);
}

const EncoderKind& RobertaConfig::kind() const {
  const EncoderKind* found = encoder_kind(model_type);
  LL_CHECK(found != nullptr, "model_type {} is no encoder's", model_type);
  return *found;
}

std::string RobertaConfig::to_json() const {
  if (source.empty()) return own_json().dump(2) + "\n";
  return json_with_changes(source, from_json(source, "config.json").own_json(), own_json());
}

std::string RobertaConfig::classifier_json() const {
  RobertaConfig written = *this;
  written.architectures = {classifier_class()};
  return written.to_json();
}

nlohmann::json RobertaConfig::own_json() const {
  nlohmann::json j;
  j["architectures"] = architectures.empty() ? nlohmann::json(nullptr) : nlohmann::json(architectures);
  j["model_type"] = model_type;
  j["vocab_size"] = vocab_size;
  const Spelling key = spelling(*this);
  j[key.hidden_size] = hidden_size;
  j[key.layers] = num_hidden_layers;
  j[key.heads] = num_attention_heads;
  j[key.intermediate] = intermediate_size;
  j["max_position_embeddings"] = max_position_embeddings;
  j[key.activation] = "gelu";
  j[key.dropout] = hidden_dropout_prob;
  j[key.attention_dropout] = attention_probs_dropout_prob;
  j[key.head_dropout] = classifier_dropout ? nlohmann::json(*classifier_dropout) : nlohmann::json(nullptr);
  j["initializer_range"] = initializer_range;
  j["pad_token_id"] = pad_token_id;
  j["tie_word_embeddings"] = tie_word_embeddings;
  if (!is_distilbert(*this)) {
    j["type_vocab_size"] = type_vocab_size;
    j["layer_norm_eps"] = layer_norm_eps;
    j["position_embedding_type"] = "absolute";
    j["use_cache"] = true;
  }
  if (kind().behind_padding) {
    j["bos_token_id"] = bos_token_id;
    j["eos_token_id"] = eos_token_id;
  }
  put_labels(*this, j);
  if (!dtype.empty()) j["torch_dtype"] = dtype;
  if (!name_or_path.empty()) j["_name_or_path"] = name_or_path;
  return j;
}

}  // namespace lowland
