// Answers of a language model scored: the verb evaluate with --generate.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/common/progress.h"
#include "apps/families/llama.h"
#include "apps/metrics/text_scores.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

struct Asked {
  std::vector<int32_t> prompt;
  std::string wanted;
};

// The prompt of a text; of a conversation all but its last message, which is the assistant's.
Asked ask(const Tokenizer& tokenizer, const LanguageRecord& record, const ChatTemplate& chat, const std::string& date) {
  if (record.messages.empty()) {
    LL_CHECK(!record.prompt.empty(), "{}: --generate needs a prompt and its completion, or a conversation",
             record.where);
    return {encode_prompt(tokenizer, record.prompt, false), record.completion};
  }
  LL_CHECK(record.messages.back().role == "assistant", "{}: --generate: the last message is not the assistant's",
           record.where);
  ChatOptions options;
  options.date = date;
  options.tools = record.tools;
  options.variables = record.variables;
  options.generation_prompt = true;
  options.answers = Answers::none;
  const std::vector<ChatMessage> before(record.messages.begin(), record.messages.end() - 1);
  return {encode_chat(tokenizer, chat, before, options).ids, record.messages.back().content};
}

}  // namespace

nlohmann::ordered_json LlamaSession::evaluate(const nn::Model& model, DataSplit split) {
  nlohmann::ordered_json out = Session::evaluate(model, split);
  if (!generate_) return out;
  const bool talks =
      std::any_of(asked_.begin(), asked_.end(), [](const LanguageRecord& r) { return !r.messages.empty(); });
  if (talks) begin_chat();
  sampling_.stop = GenerationConfig::from_folder(folder).eos_token_ids;
  TextOptions options = generate_options(*config_, *tokenizer, system.seed, sampling_);
  if (talks) add_stop(options, end_of_turn());
  std::vector<Asked> asked;
  for (const LanguageRecord& record : asked_) {
    asked.push_back(ask(*tokenizer, record, chat_, language_.date));
    LL_CHECK(std::ssize(asked.back().prompt) < config_->max_tokens(),
             "{}: the prompt has {} tokens, the model takes {}", record.where, asked.back().prompt.size(),
             config_->max_tokens());
  }
  TextScores scores;
  Progress bar("answer", std::ssize(asked));
  const auto batch_size = static_cast<size_t>(batch.batch_size);
  for (size_t begin = 0; begin < asked.size(); begin += batch_size) {
    const size_t end = std::min(begin + batch_size, asked.size());
    std::vector<std::vector<int32_t>> prompts;
    for (size_t i = begin; i < end; ++i) prompts.push_back(asked[i].prompt);
    const std::vector<Generated> texts = generate_texts(language(model), *tokenizer, prompts, options);
    for (size_t i = begin; i < end; ++i) scores.add(texts[i - begin].text, asked[i].wanted);
    bar.update(static_cast<int64_t>(end), "");
  }
  out["eval_exact_match"] = scores.exact_match();
  out["eval_rouge_l"] = scores.rouge_l();
  out["eval_bleu"] = scores.bleu();
  out["eval_examples"] = scores.count();
  return out;
}

}  // namespace lowland::apps
