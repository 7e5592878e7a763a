#include "models/hub/generation_config.h"

#include <filesystem>

#include "models/gguf/gguf_model.h"
#include "models/hub/config_keys.h"

namespace lowland {
namespace {

// Settings by which other tokens would be chosen, and their value that changes nothing.
constexpr std::pair<const char*, double> kOtherChoices[] = {{"num_beams", 1},
                                                            {"num_beam_groups", 1},
                                                            {"typical_p", 1},
                                                            {"epsilon_cutoff", 0},
                                                            {"eta_cutoff", 0},
                                                            {"penalty_alpha", 0},
                                                            {"min_length", 0},
                                                            {"encoder_no_repeat_ngram_size", 0},
                                                            {"encoder_repetition_penalty", 1},
                                                            {"min_new_tokens", 0},
                                                            {"bad_words_ids", 0},
                                                            {"suppress_tokens", 0},
                                                            {"begin_suppress_tokens", 0},
                                                            {"forced_bos_token_id", -1},
                                                            {"forced_eos_token_id", -1},
                                                            {"sequence_bias", 0},
                                                            {"guidance_scale", 1},
                                                            {"exponential_decay_length_penalty", 0},
                                                            {"top_h", 1}};

std::optional<double> number(const JsonKeys& keys, const char* key) {
  if (!keys.has(key)) return {};
  return keys.number(key, 0);
}

void note_other_choices(const JsonKeys& keys, GenerationConfig& c) {
  for (const auto& [key, neutral] : kOtherChoices) {
    if (!keys.has(key)) continue;
    const auto& value = keys.at(key);
    if (is_off(value) || (value.is_number() && value == neutral)) continue;
    c.notes.push_back(fmt::format("{}: {} is {}, which is not supported: tokens are chosen without it", keys.file(),
                                  key, value.dump()));
  }
}

std::vector<int32_t> ids_of(const JsonKeys& keys, const char* key) {
  std::vector<int32_t> ids;
  if (!keys.has(key)) return ids;
  const auto& value = keys.at(key);
  for (const auto& one : value.is_array() ? value : nlohmann::ordered_json::array({value})) {
    const bool is_id = one.is_number_integer() && one >= -1 && one < int64_t{1} << 31;
    if (!is_id) keys.refuse(key, fmt::format("holds {}, not the id of a token", one.dump()));
    if (one >= 0) ids.push_back(one.get<int32_t>());
  }
  return ids;
}

}  // namespace

GenerationConfig GenerationConfig::from_json(const std::string& text, const std::string& file_name) {
  const JsonKeys keys(text, file_name);
  GenerationConfig c;
  if (keys.told("eos_token_id")) c.eos_token_ids = ids_of(keys, "eos_token_id");
  if (const std::vector<int32_t> pad = ids_of(keys, "pad_token_id"); !pad.empty()) c.pad_token_id = pad[0];
  c.do_sample = keys.flag("do_sample", false);
  c.temperature = number(keys, "temperature");
  c.top_p = number(keys, "top_p");
  c.min_p = number(keys, "min_p");
  if (keys.has("top_k")) c.top_k = keys.whole("top_k", 0);
  c.repetition_penalty = number(keys, "repetition_penalty");
  if (keys.has("no_repeat_ngram_size")) c.no_repeat_ngram_size = keys.whole("no_repeat_ngram_size", 0);
  note_other_choices(keys, c);
  // How many tokens is the caller's to say; a prompt begins as its tokenizer begins it.
  keys.know({"bos_token_id", "max_new_tokens", "decoder_start_token_id"});
  if (const std::string unused = unused_keys(keys); !unused.empty()) c.notes.push_back(unused);
  return c;
}

GenerationConfig GenerationConfig::from_folder(const std::string& folder) {
  const std::filesystem::path path = std::filesystem::path(folder) / "generation_config.json";
  if (!model_file_exists(path)) return {};
  return from_json(read_model_file(path, 64 << 20), path.string());
}

}  // namespace lowland
