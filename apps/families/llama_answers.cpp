// Answers of a language model scored: the verb evaluate with --generate.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/common/progress.h"
#include "apps/families/llama.h"
#include "apps/metrics/reference_scores.h"
#include "apps/metrics/text_scores.h"
#include "apps/train/ranks.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

struct Asked {
  std::vector<int32_t> prompt;
  std::vector<std::string> wanted;  // one, or of e2e all sentences of the meaning
};

// The prompt of a text; of a conversation all but its last message, which is the assistant's.
Asked ask(const Tokenizer& tokenizer, const LanguageRecord& record, const ChatTemplate& chat,
          const LanguageSettings& settings) {
  if (record.messages.empty()) {
    LL_CHECK(!record.prompt.empty(), "{}: --generate needs a prompt and its completion, or a conversation",
             record.where);
    return {encode_given(tokenizer, record.prompt, settings.task), {record.completion}};
  }
  LL_CHECK(record.messages.back().role == "assistant", "{}: --generate: the last message is not the assistant's",
           record.where);
  ChatOptions options;
  options.date = settings.date;
  options.tools = record.tools;
  options.variables = record.variables;
  options.generation_prompt = true;
  options.answers = Answers::none;
  const std::vector<ChatMessage> before(record.messages.begin(), record.messages.end() - 1);
  return {encode_chat(tokenizer, chat, before, options).ids, {record.messages.back().content}};
}

void put_scores(const std::vector<Asked>& asked, const std::vector<std::string>& texts, bool e2e,
                nlohmann::ordered_json& out) {
  TextScores plain;
  ReferenceScores many;
  for (size_t i = 0; i < asked.size(); ++i)
    e2e ? many.add(texts[i], asked[i].wanted) : plain.add(texts[i], asked[i].wanted[0]);
  if (!e2e) {
    out["eval_exact_match"] = plain.exact_match();
    out["eval_rouge_l"] = plain.rouge_l();
    out["eval_bleu"] = plain.bleu();
  } else {
    out["eval_bleu"] = many.bleu();
    out["eval_nist"] = many.nist();
    out["eval_meteor"] = many.meteor();
    out["eval_rouge_l"] = many.rouge_l();
    out["eval_cider"] = many.cider();
  }
  out["eval_examples"] = asked.size();
}

}  // namespace

nlohmann::ordered_json LlamaSession::evaluate(const nn::Model& model, DataSplit split) {
  nlohmann::ordered_json out = Session::evaluate(model, split);
  if (!generate_) return out;
  const bool e2e = language_.task == "e2e";
  const bool talks =
      std::any_of(asked_.begin(), asked_.end(), [](const LanguageRecord& r) { return !r.messages.empty(); });
  if (talks) begin_chat();
  sampling_.stop = GenerationConfig::from_folder(folder).eos_token_ids;
  TextOptions options = generate_options(*config_, *tokenizer, system.seed, sampling_);
  if (talks) add_stop(options, end_of_turn());
  std::vector<Asked> asked;
  std::map<std::string, size_t> meanings;
  for (const LanguageRecord& record : asked_) {
    const auto [at, fresh] = meanings.emplace(record.prompt, asked.size());
    if (e2e && !fresh) {
      asked[at->second].wanted.push_back(record.completion);
      continue;
    }
    asked.push_back(ask(*tokenizer, record, chat_, language_));
    LL_CHECK(std::ssize(asked.back().prompt) < config_->max_tokens(),
             "{}: the prompt has {} tokens, the model takes {}", record.where, asked.back().prompt.size(),
             config_->max_tokens());
  }
  std::vector<std::string> texts;
  Progress bar("answer", std::ssize(asked));
  const auto answers = [&](int64_t begin, int64_t end) {
    std::vector<std::vector<int32_t>> prompts;
    for (int64_t i = begin; i < end; ++i) prompts.push_back(asked[i].prompt);
    std::vector<std::string> made;
    for (Generated& g : generate_texts(language(model), *tokenizer, prompts, options))
      made.push_back(std::move(g.text));
    return made;
  };
  deal_texts(ranks, std::ssize(asked), batch.batch_size, answers, [&](int64_t i, const std::string& text) {
    texts.push_back(text);
    bar.update(i + 1, "");
  });
  put_scores(asked, texts, e2e, out);
  return out;
}

}  // namespace lowland::apps
