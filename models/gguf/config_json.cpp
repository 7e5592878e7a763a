#include "models/gguf/config_json.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/gguf_types.h"

namespace lowland {
namespace {

using nlohmann::json;

class Reader {
 public:
  explicit Reader(const std::vector<std::shared_ptr<const GgufFile>>& files)
      : files_(files), keys_(files[0]->keys()), arch_(architecture_of(keys_)), head_(std::string(arch_.name) + ".") {}

  std::string text() {
    if (whole("expert_count", 0) > 0) keys_.refuse(head_ + "expert_count", "is above 0: experts are not supported");
    put_sizes();
    put_ids();
    put_dtype();
    if (arch_.encoder)
      put_encoder();
    else
      put_decoder();
    return j_.dump(2) + "\n";
  }

 private:
  std::string key(const std::string& name) const { return head_ + name; }
  int64_t whole(const std::string& name, int64_t otherwise) const { return keys_.whole(key(name), otherwise); }

  // The shortest decimal that is the file's f32: 1e-05, not 9.999999747378752e-06.
  static double decimal(double x) { return std::stod(fmt::format("{}", static_cast<float>(x))); }
  double number(const std::string& name, double otherwise) const { return decimal(keys_.number(key(name), otherwise)); }

  // A size that every model has, or that all layers share where the file says one for each.
  int64_t size(const std::string& name) const {
    const GgufValue* v = keys_.find(key(name));
    if (v == nullptr) keys_.refuse(key(name), "is missing");
    if (!v->list) return whole(name, 0);
    const std::vector<double> each = keys_.numbers(key(name));
    const bool same = !each.empty() && std::equal(each.begin() + 1, each.end(), each.begin());
    if (!same || !(each[0] >= 0 && each[0] < 1e15) || each[0] != std::floor(each[0]))
      keys_.refuse(key(name), "differs by layer, which is not supported");
    return static_cast<int64_t>(each[0]);
  }

  const GgufFile* file_of(const std::string& tensor) const {
    for (const auto& file : files_)
      if (file->contains(tensor)) return file.get();
    return nullptr;
  }
  bool contains(const std::string& tensor) const { return file_of(tensor) != nullptr; }
  const TensorInfo& info(const std::string& tensor) const {
    const GgufFile* file = file_of(tensor);
    return (file == nullptr ? *files_[0] : *file).info(tensor);
  }
  const TensorInfo& embedding() const {
    return info(arch_.encoder ? "bert.embeddings.word_embeddings.weight" : "model.embed_tokens.weight");
  }

  void put_sizes() {
    j_["model_type"] = arch_.model_type;
    j_["architectures"] = {arch_.hub_class};
    j_["vocab_size"] = embedding().shape[0];
    j_["hidden_size"] = size("embedding_length");
    j_["intermediate_size"] = size("feed_forward_length");
    j_["num_hidden_layers"] = size("block_count");
    heads_ = size("attention.head_count");
    j_["num_attention_heads"] = heads_;
    j_["max_position_embeddings"] = size("context_length");
  }

  void put_ids() {
    constexpr std::pair<const char*, const char*> kIds[] = {
        {"bos_token_id", "bos_token_id"}, {"eos_token_id", "eos_token_id"}, {"pad_token_id", "padding_token_id"}};
    for (const auto& [hub, gguf] : kIds) {
      const int64_t id = keys_.whole(std::string("tokenizer.ggml.") + gguf, -1);
      j_[hub] = id >= 0 && id < embedding().shape[0] ? json(id) : json(nullptr);
    }
  }

  // Of what was in blocks as it is written elsewhere.
  void put_dtype() {
    const std::string& dtype = embedding().dtype;
    j_["torch_dtype"] = dtype == "F32" ? "float32" : dtype == "F16" ? "float16" : "bfloat16";
  }

  void put_encoder() {
    j_["layer_norm_eps"] = number("attention.layer_norm_epsilon", 1e-12);
    j_["type_vocab_size"] = info("bert.embeddings.token_type_embeddings.weight").shape[0];
    j_["pad_token_id"] = keys_.whole("tokenizer.ggml.padding_token_id", 0);
    j_.erase("bos_token_id");
    j_.erase("eos_token_id");
  }

  void put_decoder() {
    const int64_t width = j_["hidden_size"];
    const int64_t head = whole("attention.key_length", heads_ > 0 ? width / heads_ : 0);
    if (whole("attention.value_length", head) != head)
      keys_.refuse(key("attention.value_length"), "is not attention.key_length, which is not supported");
    j_["head_dim"] = head;
    j_["num_key_value_heads"] = keys_.has(key("attention.head_count_kv")) ? size("attention.head_count_kv") : heads_;
    j_["rms_norm_eps"] = number("attention.layer_norm_rms_epsilon", 1e-6);
    j_["tie_word_embeddings"] = !contains("lm_head.weight");
    put_biases();
    put_rope(head);
    if (arch_.norms_plus != 0) put_gemma(head);
    if (std::string_view(arch_.name) == "phi3")
      j_["sliding_window"] =
          keys_.has(key("attention.sliding_window")) ? json(size("attention.sliding_window")) : json(nullptr);
  }

  void put_biases() {
    const auto bias = [&](const char* module) { return contains(std::string("model.layers.0.") + module + ".bias"); };
    const bool q = bias("self_attn.q_proj"), o = bias("self_attn.o_proj"), mlp = bias("mlp.gate_proj");
    if (std::string_view(arch_.name) == "llama") {
      LL_CHECK(q == o, "{} has biases of a part of attention only, which a llama does not know", keys_.file());
      j_["attention_bias"] = q;
      j_["mlp_bias"] = mlp;
    } else if (std::string_view(arch_.name) == "qwen3") {
      j_["attention_bias"] = q;
    }
  }

  std::vector<double> factors(const char* name) const {
    std::vector<double> out;
    const GgufFile* file = file_of(name);
    if (file == nullptr) return out;
    const TensorInfo& t = file->info(name);
    std::vector<float> values(numel_of(t.shape));
    const TensorBytes bytes = file->bytes(name);
    LL_CHECK(convert_from_file(values.data(), DType::f32, std::string_view(bytes).data(), t.dtype, std::ssize(values)),
             "{}: {} is of type {}, not F32", keys_.file(), name, t.dtype);
    for (const float x : values) out.push_back(decimal(x));
    return out;
  }

  void put_rope(int64_t head) {
    j_["rope_theta"] = number("rope.freq_base", 10000);
    const int64_t rotated = whole("rope.dimension_count", head);
    if (rotated != head) {
      if (std::string_view(arch_.name) != "phi3")
        keys_.refuse(key("rope.dimension_count"),
                     fmt::format("is {}, not a head's {}, which is not supported", rotated, head));
      j_["partial_rotary_factor"] = static_cast<double>(rotated) / static_cast<double>(head);
    }
    const std::string type = keys_.text(key("rope.scaling.type"), "none");
    const std::vector<double> all = factors("rope_freqs.weight"), longs = factors("rope_factors_long.weight"),
                              shorts = factors("rope_factors_short.weight");
    if (!all.empty()) return put_factors(all);
    if (!longs.empty()) return put_longrope(longs, shorts);
    if (type == "none") return;
    json scaling;
    scaling["rope_type"] = type;
    if (type != "linear" && type != "yarn")
      keys_.refuse(key("rope.scaling.type"), fmt::format("is {}; none, linear and yarn are supported", type));
    scaling["factor"] = number("rope.scaling.factor", 1);
    if (type == "yarn") {
      scaling["original_max_position_embeddings"] = size("rope.scaling.original_context_length");
      scaling["beta_fast"] = number("rope.scaling.yarn_beta_fast", 32);
      scaling["beta_slow"] = number("rope.scaling.yarn_beta_slow", 1);
    }
    j_["rope_scaling"] = scaling;
  }

  void put_longrope(const std::vector<double>& longs, const std::vector<double>& shorts) {
    const int64_t original = size("rope.scaling.original_context_length");
    j_["original_max_position_embeddings"] = original;
    j_["rope_scaling"] = {{"type", "longrope"}, {"long_factor", longs}, {"short_factor", shorts}};
    if (keys_.has(key("rope.scaling.attn_factor")))
      j_["rope_scaling"]["attention_factor"] = number("rope.scaling.attn_factor", 1);
  }

  // What the frequencies are divided by. Llama 3's are llama.cpp's way to write its scaling down, which is told from
  // them; others are longrope's, for texts of any length.
  void put_factors(const std::vector<double>& all) {
    const double theta = j_["rope_theta"], rotated = 2.0 * static_cast<double>(all.size());
    const double factor = *std::max_element(all.begin(), all.end());
    const auto llama3 = [&](size_t i, double original) {
      const double wave = 2 * std::numbers::pi * std::pow(theta, 2 * static_cast<double>(i) / rotated);
      const double low = 1, high = 4;
      if (wave < original / high) return 1.0;
      if (wave > original / low) return factor;
      const double t = (original / wave - low) / (high - low);
      return 1 / ((1 - t) / factor + t);
    };
    for (const double original : {8192.0, static_cast<double>(whole("rope.scaling.original_context_length", 8192))}) {
      bool same = factor > 1;
      for (size_t i = 0; i < all.size(); ++i) same = same && std::abs(llama3(i, original) / all[i] - 1) < 1e-5;
      if (!same) continue;
      j_["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", factor},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", static_cast<int64_t>(original)}};
      return;
    }
    j_["rope_scaling"] = {
        {"rope_type", "longrope"}, {"long_factor", all},
        {"short_factor", all},     {"factor", 1.0},
        {"attention_factor", 1.0}, {"original_max_position_embeddings", j_["max_position_embeddings"]}};
  }

  // Sources of what the file does not say: llama.cpp's own rules for these two.
  void put_gemma(int64_t head) {
    const bool third = std::string_view(arch_.name) == "gemma3";
    const int64_t layers = j_["num_hidden_layers"], width = j_["hidden_size"];
    const bool largest = layers == (third ? 62 : 46);  // 27B
    j_["query_pre_attn_scalar"] = largest && heads_ > 0 ? width / heads_ : head;
    j_["sliding_window"] = size("attention.sliding_window");
    const auto cap = [&](const char* name, double otherwise) {
      const double x = number(name, otherwise);
      j_[name] = x > 0 ? json(x) : json(nullptr);
    };
    cap("attn_logit_softcapping", third ? 0 : 50);
    cap("final_logit_softcapping", third ? 0 : 30);
    if (!third) return;
    if (!keys_.has(key("rope.freq_base"))) j_["rope_theta"] = 1e6;
    j_["rope_local_base_freq"] = number("rope.freq_base_swa", 10000);
    j_["sliding_window_pattern"] = whole("attention.sliding_window_pattern", 6);
  }

  const std::vector<std::shared_ptr<const GgufFile>>& files_;
  const GgufMetadata& keys_;
  const GgufArchitecture& arch_;
  std::string head_;
  json j_;
  int64_t heads_ = 0;
};

}  // namespace

const GgufArchitecture& architecture_of(const GgufMetadata& keys) {
  const std::string type = keys.text("general.type", "model"), name = keys.text("general.architecture", "");
  LL_CHECK(type == "model", "{} holds {} {}, not a model", keys.file(), type == "adapter" ? "an" : "a", type);
  const GgufArchitecture* found = gguf_architecture(name);
  if (found == nullptr)
    keys.refuse("general.architecture",
                fmt::format("is {}; {} are supported", name.empty() ? "missing" : name, gguf_architecture_names()));
  return *found;
}

std::string gguf_config_json(const std::vector<std::shared_ptr<const GgufFile>>& files) { return Reader(files).text(); }

}  // namespace lowland
