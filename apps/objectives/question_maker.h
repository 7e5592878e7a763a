// Questions as the model reads them: ids with rows for images among them, and the pictures of each.
#pragma once
#include <string>
#include <vector>

#include "apps/data/load_questions.h"
#include "apps/objectives/language_examples.h"
#include "apps/objectives/pictures.h"
#include "models/tokenizers/tokenizer.h"
#include "models/vlm/encode_images.h"

namespace lowland::apps {

struct VlmSplit {
  LanguageSplit text;  // examples[i] asks questions[i]
  std::vector<Question> questions;
  std::vector<std::vector<int32_t>> pictures;  // of each question, their numbers
  size_t size() const { return questions.size(); }
};

// How questions become ids.
struct QuestionFormat {
  const Tokenizer& tokenizer;
  const ImagePrompt& prompt;
  const VlmConfig& config;
  int64_t longest = 0;  // tokens of an example
  Overlong overlong = Overlong::cut;
};

class QuestionMaker {
 public:
  QuestionMaker(const QuestionFormat& format, Pictures& pictures);
  // Throws Error where no example is left within the longest length.
  VlmSplit make_split(std::vector<Question> questions) const;
  // The question with this answer.
  LanguageExample make(const Question& question, const std::string& answer) const;
  // Ids up to the answer. Throws Error, naming the question, if they are more than the model takes.
  std::vector<int32_t> prompt(const Question& question) const;
  std::vector<int32_t> pictures_of(const Question& question) const;

 private:
  ChatIds encode(const Question& question, const std::vector<ChatMessage>& messages, bool generation_prompt) const;

  QuestionFormat format_;
  Pictures& pictures_;
};

}  // namespace lowland::apps
