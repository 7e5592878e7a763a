#include "models/hub/config_keys.h"

#include <algorithm>

namespace lowland {
namespace {

// clang-format off
constexpr std::string_view kHarmless[] = {
    "transformers_version", "use_cache", "pretraining_tp", "auto_map", "return_dict", "output_hidden_states",
    "output_attentions", "torchscript", "use_bfloat16", "tf_legacy_loss", "is_encoder_decoder",
    "cross_attention_hidden_size", "tie_encoder_decoder", "max_length", "min_length", "do_sample",
    "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty", "temperature", "top_k", "top_p",
    "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "output_scores",
    "return_dict_in_generate", "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values",
    "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens", "finetuning_task",
    "id2label", "label2id", "num_labels", "problem_type", "tokenizer_class", "prefix", "sep_token_id",
    "decoder_start_token_id", "task_specific_params", "chunk_size_feed_forward", "_attn_implementation",
    "_attn_implementation_autoset", "attn_implementation", "unsloth_fixed", "unsloth_version", "_commit_hash",
    "max_sequence_length"};
// clang-format on

}  // namespace

void refuse_unknown_keys(const JsonKeys& keys, std::span<const std::string_view> read) {
  const auto among = [](std::string_view key, std::span<const std::string_view> list) {
    return std::find(list.begin(), list.end(), key) != list.end();
  };
  for (const auto& [key, value] : keys.root().items()) {
    const bool off = value.is_null() || value == false;
    if (!off && !among(key, read) && !among(key, kHarmless))
      keys.refuse(key.c_str(), fmt::format("is {}, a setting that Lowland does not know", value.dump()));
  }
}

}  // namespace lowland
