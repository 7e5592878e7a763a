#include "models/decoder/config.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/context.h"
#include "engine/error.h"
#include "models/decoder/config_ids.h"
#include "models/gguf/gguf_model.h"
#include "models/gpt2/config.h"
#include "models/llama/config.h"

namespace lowland {

std::unique_ptr<DecoderConfig> read_decoder_config(const std::string& json, const std::string& file_name) {
  const std::string type = JsonKeys(json, file_name).text("model_type", "");
  if (type == "gpt2") return Gpt2Config::from_json(json, file_name).copy();
  if (llama_kind(type) == nullptr)
    fail("{}: model_type is {}; gpt2, {} are supported", file_name, type.empty() ? "missing" : type,
         llama_kind_names());
  return LlamaConfig::from_json(json, file_name).copy();
}

std::unique_ptr<DecoderConfig> decoder_config_of(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "config.json").string();
  return read_decoder_config(read_model_file(path, 64 << 20), path);
}

void read_token_ids(const JsonKeys& keys, DecoderConfig& c) {
  const auto id = [&](const char* key, int64_t otherwise) {
    const int64_t i = keys.told(key) ? keys.whole(key, -1) : otherwise;
    if (i < -1 || i >= c.vocab_size)
      keys.refuse(key, fmt::format("is {}, outside the vocabulary of {}", i, c.vocab_size));
    return i;
  };
  c.bos_token_id = id("bos_token_id", c.bos_token_id);
  c.pad_token_id = id("pad_token_id", c.pad_token_id);
  if (!keys.told("eos_token_id")) return;
  c.eos_token_ids.clear();
  if (!keys.has("eos_token_id")) return;
  const auto& eos = keys.at("eos_token_id");
  for (const auto& one : eos.is_array() ? eos : nlohmann::ordered_json::array({eos})) {
    if (!one.is_number_integer() || one < 0 || one >= c.vocab_size)
      keys.refuse("eos_token_id", fmt::format("holds {}, which is no id of the vocabulary", one.dump()));
    c.eos_token_ids.push_back(one.get<int32_t>());
  }
}

void put_token_ids(const DecoderConfig& c, nlohmann::json& j) {
  const auto id = [](int64_t i) { return i < 0 ? nlohmann::json(nullptr) : nlohmann::json(i); };
  j["bos_token_id"] = id(c.bos_token_id);
  j["pad_token_id"] = id(c.pad_token_id);
  j["eos_token_id"] = c.eos_token_ids.empty()       ? nlohmann::json(nullptr)
                      : c.eos_token_ids.size() == 1 ? nlohmann::json(c.eos_token_ids[0])
                                                    : nlohmann::json(c.eos_token_ids);
}

void read_provenance(const JsonKeys& keys, DecoderConfig& c) {
  c.dtype = keys.text("dtype", keys.text("torch_dtype", ""));  // version 5, version 4
  c.name_or_path = keys.text("_name_or_path", "");
  c.architectures = keys.texts("architectures");
  const auto classifies = [](const std::string& a) { return a.ends_with("ForSequenceClassification"); };
  if (std::any_of(c.architectures.begin(), c.architectures.end(), classifies)) read_labels(keys, c);
}

void DecoderConfig::check_device(const Context& context, const std::string& folder) const {
  LL_CHECK(attn_logit_softcapping == 0 || context.on_cpu(),
           "{}: attn_logit_softcapping caps the scores of attention, which only the CPU computes: --device cpu",
           folder);
}

}  // namespace lowland
