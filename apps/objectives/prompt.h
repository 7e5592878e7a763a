// Prompt: a classification as a word to fill in, for encoders with a masked-LM head. The logits of the labels are those
// of their words where the template has its mask.
//
// A template is LM-BFF's: what stands between asterisks is one of
//   *cls* *sep* *mask*   the tokenizer's tokens; *sep+*: sep, and what follows it is of the next token type
//   *sent_0* *sent_1*    the texts of an example. `+` before `sent`: with a space in front. Behind it `l` or `u`: the
//                        first letter small or capital, if it is an English one; `-`: without the sign at the end, if
//                        there is one (*+sentl_1*, *sent-_0*; theirs takes a letter, too)
// and anything else is text, whose _ are spaces: `*cls**sent_0*_It_was*mask*.*sep+*`.
// paper: Gao, Fisch & Chen 2021, arXiv:2012.15723 (their table B.1 has the templates of the tasks)
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "apps/data/dataset.h"
#include "models/tokenizers/tokenizer.h"

namespace lowland::apps {

// What a task's template and words are called in settings.
inline constexpr const char* kTaskPrompt = "task";

struct PromptText {
  std::string text;                // the template
  std::vector<std::string> words;  // of each label, in the order of the ids
};
// text: a template, or kTaskPrompt for the task's own. words: a JSON object of labels, as files spell them or by name;
// a JSON list or a comma list in the order of the ids; or empty, for the task's own. Error where the task has none, on
// a label without a word and on a task that is no choice of one class.
PromptText prompt_of(const std::string& text, const std::string& words, const TaskInfo& task);

class Prompt {
 public:
  // Error on a template without exactly one mask, or without the task's texts, and on a word that is not one token,
  // or is that of two labels.
  Prompt(const PromptText& prompt, const TaskInfo& task, const Tokenizer& tokenizer);

  const std::vector<int32_t>& words() const { return words_; }  // an id for each label

  struct Tokens {
    std::vector<int32_t> ids, types;  // types: of BERT; all 0 where the template has no *sep+* before its end
    int32_t mask = 0;                 // its row
    bool cut = false;                 // the texts lost tokens at their ends, the longer one first
  };
  // Error if max_length has no room for what the template adds.
  Tokens tokens(const Example& example, int64_t max_length) const;

 private:
  struct Part {
    int text = -1;             // of the example; else `ids`
    std::vector<int32_t> ids;  // the same in every example
    bool mask = false, next_type = false;
    bool space = false, small = false, capital = false, bare = false;
  };
  Part parse(const std::string& part) const;
  std::vector<int32_t> encode(const std::string& text) const { return tokenizer_.encode(text, {false}); }

  const Tokenizer& tokenizer_;
  std::vector<Part> parts_;
  std::vector<int32_t> words_;
};

}  // namespace lowland::apps
