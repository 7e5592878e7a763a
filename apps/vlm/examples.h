// Questions as the model reads them: ids with rows for images among them, and the pictures of each.
#pragma once
#include <string>
#include <vector>

#include "apps/common/language_examples.h"
#include "apps/data/load_questions.h"
#include "apps/vlm/pictures.h"
#include "apps/vlm/session.h"

namespace lowland::apps {

struct VlmSplit {
  LanguageSplit text;  // examples[i] asks questions[i]
  std::vector<Question> questions;
  std::vector<std::vector<int32_t>> pictures;  // of each question, their numbers
  size_t size() const { return questions.size(); }
};

struct VlmData {
  VlmSplit train, dev, test;
  std::string metric;  // of QuestionSet
};

class VlmExampleMaker {
 public:
  VlmExampleMaker(const VlmSession& session, Pictures& pictures);
  // Throws Error where no example is left within the longest length.
  VlmSplit make_split(std::vector<Question> questions) const;
  // The question with this answer.
  LanguageExample make(const Question& question, const std::string& answer) const;
  // Ids up to the answer. Throws Error, naming the question, if they are more than the model takes.
  std::vector<int32_t> prompt(const Question& question) const;
  std::vector<int32_t> pictures_of(const Question& question) const;

 private:
  ChatIds encode(const Question& question, const std::vector<ChatMessage>& messages, bool generation_prompt) const;

  const VlmSession& session_;
  Pictures& pictures_;
};

// The wanted splits by settings.task and the files it names. Says what was read.
VlmData load_vlm_data(const VlmSession& session, Pictures& pictures, bool train, bool dev, bool test);
QuestionOptions question_options(const VlmSession& session, bool train, bool dev, bool test);

}  // namespace lowland::apps
