#include "apps/objectives/question_maker.h"

#include <algorithm>

#include "engine/error.h"

namespace lowland::apps {
namespace {

// What is said up to the last answer.
std::vector<ChatMessage> asked(const Question& question) {
  std::vector<ChatMessage> out = question.messages;
  if (!out.empty() && out.back().role == "assistant") out.pop_back();
  return out;
}

}  // namespace

QuestionMaker::QuestionMaker(const QuestionFormat& format, Pictures& pictures) : format_(format), pictures_(pictures) {
  LL_CHECK(format.longest >= 2, "--max-length must be at least 2, got {}", format.longest);
}

ChatIds QuestionMaker::encode(const Question& question, const std::vector<ChatMessage>& messages,
                              bool generation_prompt) const {
  try {
    return encode_with_images(format_.tokenizer, format_.prompt, format_.config, messages, generation_prompt);
  } catch (const Error& error) {
    fail("{}: {}", question.where, error.what());
  }
}

LanguageExample QuestionMaker::make(const Question& question, const std::string& answer) const {
  std::vector<ChatMessage> messages = asked(question);
  const bool learn = question.messages.empty() || question.messages.back().learn;
  messages.push_back({"assistant", answer, "", learn});
  ChatIds ids = encode(question, messages, false);
  LanguageExample e{std::move(ids.ids), std::move(ids.is_answer)};
  if (!e.learn.empty()) e.learn[0] = 0;
  return e;
}

std::vector<int32_t> QuestionMaker::prompt(const Question& question) const {
  std::vector<int32_t> ids = encode(question, asked(question), true).ids;
  const int64_t n = static_cast<int64_t>(ids.size()), most = format_.config.text.max_tokens();
  LL_CHECK(n <= most, "{}: the question has {} tokens, the model takes {}", question.where, n, most);
  return ids;
}

std::vector<int32_t> QuestionMaker::pictures_of(const Question& question) const {
  std::vector<int32_t> out;
  for (const std::string& file : question.images) out.push_back(pictures_.add(file, question.where));
  return out;
}

VlmSplit QuestionMaker::make_split(std::vector<Question> questions) const {
  const auto most = static_cast<size_t>(format_.longest), all = questions.size();
  const auto token = static_cast<int32_t>(format_.config.image_token_id);
  VlmSplit split;
  for (Question& q : questions) {
    LanguageExample e = make(q, q.messages.back().content);
    // An image is there whole or not at all.
    const auto end = e.ids.begin() + std::min(most, e.ids.size());
    if (std::find(end, e.ids.end(), token) != e.ids.end()) {
      ++split.text.dropped;
    } else if (take_example(std::move(e), format_.overlong, format_.longest, split.text)) {
      split.pictures.push_back(pictures_of(q));
      split.questions.push_back(std::move(q));
    }
  }
  LL_CHECK(!split.questions.empty(), "none of the {} examples has a token to learn within {} tokens", all, most);
  return split;
}

}  // namespace lowland::apps
