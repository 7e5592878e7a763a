#include "models/roberta/config.h"

#include <algorithm>
#include <filesystem>

#include "engine/io/atomic_file.h"
#include "models/hub/json_keys.h"

namespace lowland {
namespace {

// Settings that change the network, and the one value Lowland computes.
void check_supported(const JsonKeys& keys) {
  const std::string activation = keys.text("hidden_act", "gelu");
  if (activation != "gelu") keys.refuse("hidden_act", fmt::format("is {}; only gelu is supported", activation));
  const std::string positions = keys.text("position_embedding_type", "absolute");
  if (positions != "absolute") {
    keys.refuse("position_embedding_type", fmt::format("is {}; only absolute is supported", positions));
  }
  for (const char* key : {"is_decoder", "add_cross_attention"}) {
    if (keys.flag(key, false)) keys.refuse(key, "is true, which is not supported");
  }
  if (keys.has("quantization_config"))
    keys.refuse("quantization_config", "is set: quantised weights are not supported");
  if (keys.has("pruned_heads") && !keys.at("pruned_heads").empty()) {
    keys.refuse("pruned_heads", "is set, which is not supported");
  }
  if (keys.root().contains("pad_token_id") && keys.root()["pad_token_id"].is_null()) {
    keys.refuse("pad_token_id", "is null: positions are counted from it");
  }
}

std::vector<std::string> default_labels(int64_t n) {
  std::vector<std::string> labels;
  for (int64_t i = 0; i < n; ++i) labels.push_back(fmt::format("LABEL_{}", i));
  return labels;
}

std::vector<std::string> read_labels(const JsonKeys& keys) {
  constexpr int64_t kMost = 1'000'000;
  if (!keys.has("id2label")) {
    const int64_t n = keys.whole("num_labels", 2);
    if (n < 1 || n > kMost) keys.refuse("num_labels", fmt::format("is {}", n));
    return default_labels(n);
  }
  const auto& map = keys.at("id2label");
  if (!map.is_object() || map.empty()) keys.refuse("id2label", "does not map ids to labels");
  std::vector<std::string> labels(map.size());
  std::vector<bool> seen(map.size());
  for (const auto& [id, label] : map.items()) {
    const bool digits =
        !id.empty() && id.size() < 8 && std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
    const size_t i = digits ? std::stoul(id) : map.size();
    if (i >= map.size() || seen[i])
      keys.refuse("id2label", fmt::format("has {} ids, but not 0 to {}", map.size(), map.size() - 1));
    seen[i] = true;
    // Labels that are numbers ("0": 0) occur; transformers keeps them as they are.
    labels[i] = label.is_string() ? label.get<std::string>() : label.dump();
  }
  return labels;
}

void check_sizes(const JsonKeys& keys, const RobertaConfig& c) {
  const std::pair<const char*, int64_t> sizes[] = {{"vocab_size", c.vocab_size},
                                                   {"hidden_size", c.hidden_size},
                                                   {"num_attention_heads", c.num_attention_heads},
                                                   {"intermediate_size", c.intermediate_size},
                                                   {"type_vocab_size", c.type_vocab_size},
                                                   {"num_hidden_layers", c.num_hidden_layers}};
  for (const auto& [key, value] : sizes) {
    if (value < 1 || value > (int64_t{1} << 31)) keys.refuse(key, fmt::format("is {}", value));
  }
  if (c.hidden_size % c.num_attention_heads != 0) {
    keys.refuse("hidden_size",
                fmt::format("is {}, not a multiple of num_attention_heads, {}", c.hidden_size, c.num_attention_heads));
  }
  if (c.pad_token_id < 0 || c.pad_token_id >= c.vocab_size)
    keys.refuse("pad_token_id", fmt::format("is {}", c.pad_token_id));
  if (c.max_tokens() < 1 || c.max_position_embeddings > (int64_t{1} << 31)) {
    keys.refuse("max_position_embeddings",
                fmt::format("is {}, which leaves room for no token", c.max_position_embeddings));
  }
  if (!(c.layer_norm_eps > 0)) keys.refuse("layer_norm_eps", "must be above 0");
  const std::pair<const char*, double> dropouts[] = {{"hidden_dropout_prob", c.hidden_dropout_prob},
                                                     {"attention_probs_dropout_prob", c.attention_probs_dropout_prob},
                                                     {"classifier_dropout", c.head_dropout()}};
  for (const auto& [key, p] : dropouts) {
    if (!(p >= 0 && p < 1)) keys.refuse(key, fmt::format("is {}, outside [0, 1)", p));
  }
}

}  // namespace

RobertaConfig RobertaConfig::from_json(const std::string& text, const std::string& file_name) {
  const JsonKeys keys(text, file_name);
  RobertaConfig c;
  c.model_type = keys.text("model_type", "");
  if (c.model_type != "roberta" && c.model_type != "xlm-roberta" && c.model_type != "camembert") {
    fail("{}: model_type is {}, not roberta (nor xlm-roberta or camembert, the same network)", file_name,
         c.model_type.empty() ? "missing" : c.model_type);
  }
  check_supported(keys);
  c.vocab_size = keys.whole("vocab_size", c.model_type == "roberta" ? c.vocab_size : 30522);
  c.hidden_size = keys.whole("hidden_size", c.hidden_size);
  c.num_hidden_layers = keys.whole("num_hidden_layers", c.num_hidden_layers);
  c.num_attention_heads = keys.whole("num_attention_heads", c.num_attention_heads);
  c.intermediate_size = keys.whole("intermediate_size", c.intermediate_size);
  c.max_position_embeddings = keys.whole("max_position_embeddings", c.max_position_embeddings);
  c.type_vocab_size = keys.whole("type_vocab_size", c.type_vocab_size);
  c.layer_norm_eps = keys.number("layer_norm_eps", c.layer_norm_eps);
  c.hidden_dropout_prob = keys.number("hidden_dropout_prob", c.hidden_dropout_prob);
  c.attention_probs_dropout_prob = keys.number("attention_probs_dropout_prob", c.attention_probs_dropout_prob);
  if (keys.has("classifier_dropout")) c.classifier_dropout = keys.number("classifier_dropout", 0);
  c.initializer_range = keys.number("initializer_range", c.initializer_range);
  c.pad_token_id = keys.whole("pad_token_id", c.pad_token_id);
  c.bos_token_id = keys.whole("bos_token_id", c.bos_token_id);
  if (keys.has("eos_token_id") && !keys.at("eos_token_id").is_array()) {
    c.eos_token_id = keys.whole("eos_token_id", c.eos_token_id);
  }
  c.tie_word_embeddings = keys.flag("tie_word_embeddings", c.tie_word_embeddings);
  c.set_labels(read_labels(keys));
  c.problem_type = keys.text("problem_type", "");
  const bool known = c.problem_type.empty() || c.problem_type == "regression" ||
                     c.problem_type == "single_label_classification" || c.problem_type == "multi_label_classification";
  if (!known) keys.refuse("problem_type", fmt::format("is {}, which transformers does not know", c.problem_type));
  c.dtype = keys.text("dtype", keys.text("torch_dtype", ""));  // version 5, version 4
  c.name_or_path = keys.text("_name_or_path", "");
  c.architectures = keys.texts("architectures");
  check_sizes(keys, c);
  return c;
}

RobertaConfig RobertaConfig::from_folder(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "config.json").string();
  return from_json(read_file(path, 64 << 20), path);
}

void RobertaConfig::set_labels(std::vector<std::string> names) {
  labels = std::move(names);
  num_labels = labels.size();
}

bool RobertaConfig::has_own_labels() const { return labels != default_labels(num_labels); }

std::string RobertaConfig::to_json() const {
  nlohmann::json j;
  j["architectures"] = architectures.empty() ? nlohmann::json(nullptr) : nlohmann::json(architectures);
  j["model_type"] = model_type;
  j["vocab_size"] = vocab_size;
  j["hidden_size"] = hidden_size;
  j["num_hidden_layers"] = num_hidden_layers;
  j["num_attention_heads"] = num_attention_heads;
  j["intermediate_size"] = intermediate_size;
  j["max_position_embeddings"] = max_position_embeddings;
  j["type_vocab_size"] = type_vocab_size;
  j["layer_norm_eps"] = layer_norm_eps;
  j["hidden_act"] = "gelu";
  j["position_embedding_type"] = "absolute";
  j["hidden_dropout_prob"] = hidden_dropout_prob;
  j["attention_probs_dropout_prob"] = attention_probs_dropout_prob;
  j["classifier_dropout"] = classifier_dropout ? nlohmann::json(*classifier_dropout) : nlohmann::json(nullptr);
  j["initializer_range"] = initializer_range;
  j["pad_token_id"] = pad_token_id;
  j["bos_token_id"] = bos_token_id;
  j["eos_token_id"] = eos_token_id;
  j["tie_word_embeddings"] = tie_word_embeddings;
  j["use_cache"] = true;
  for (size_t i = 0; i < labels.size(); ++i) {
    j["id2label"][std::to_string(i)] = labels[i];
    j["label2id"][labels[i]] = i;
  }
  if (!problem_type.empty()) j["problem_type"] = problem_type;
  if (!dtype.empty()) j["torch_dtype"] = dtype;
  if (!name_or_path.empty()) j["_name_or_path"] = name_or_path;
  return j.dump(2) + "\n";
}

}  // namespace lowland
