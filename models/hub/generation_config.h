// generation_config.json: how a model's makers generate text with it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lowland {

struct GenerationConfig {
  std::optional<std::vector<int32_t>> eos_token_ids;  // one, several or none; absent: the file does not say
  std::optional<int64_t> pad_token_id;
  // Tokens are drawn if do_sample, with these; else the likeliest is taken, whatever they are.
  bool do_sample = false;
  std::optional<double> temperature, top_p, min_p;
  std::optional<int64_t> top_k;
  std::optional<double> repetition_penalty;  // drawn or not, as is the next
  std::optional<int64_t> no_repeat_ngram_size;
  std::vector<std::string> notes;  // sentences on what the file says and nobody uses

  // Throws Error on a value that cannot be.
  static GenerationConfig from_json(const std::string& text, const std::string& file_name);
  // Nothing said where the folder has no such file, or is none.
  static GenerationConfig from_folder(const std::string& folder);
};

}  // namespace lowland
