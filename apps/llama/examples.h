// Examples as a language model reads them: ids, and which of them are learnt.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "apps/common/settings.h"
#include "apps/data/language_records.h"
#include "models/chat/encode_chat.h"
#include "models/tokenizers/tokenizer.h"

namespace lowland::apps {

struct LanguageExample {
  std::vector<int32_t> ids;    // with the tokens in front of a text, and eos behind
  std::vector<uint8_t> learn;  // 1: this id is a target. Never the first
  int64_t targets() const;
};

struct LanguageSplit {
  std::vector<LanguageExample> examples;
  int64_t cut = 0;       // over-long, their end cut off
  int64_t dropped = 0;   // over-long and left out, or without any target in what is left
  int64_t targets() const;
  std::vector<int32_t> lengths() const;
};

// How records become ids: settings' loss, overlong, chat template.
class ExampleMaker {
 public:
  // folder: of the model, whose own chat template counts where settings name none.
  ExampleMaker(const Tokenizer& tokenizer, const Settings& settings, std::string folder, int64_t max_length);

  LanguageExample make(const LanguageRecord& record) const;
  // All of a file's records. Throws Error where no example is left.
  LanguageSplit make_split(const std::vector<LanguageRecord>& records) const;
  // Plain text: documents between `<s>` and `</s>`, cut into pieces of at most max_length tokens, each learnt whole.
  LanguageSplit make_documents(const std::vector<std::string>& files, bool line_by_line) const;

 private:
  LanguageExample make_conversation(const LanguageRecord& record) const;
  const ChatTemplate& chat() const;  // found at the first conversation
  void limit(LanguageExample example, LanguageSplit& split) const;

  const Tokenizer& tokenizer_;
  const Settings& settings_;
  std::string folder_;
  int64_t max_length_;
  mutable std::optional<ChatTemplate> chat_;
  std::vector<int32_t> front_;  // what the tokenizer puts in front of a text
};

// "train: 37,000 examples, 2,100,000 tokens to learn; 12 cut at 1024 tokens".
void say_split(const char* name, const LanguageSplit& split, int64_t max_length);

}  // namespace lowland::apps
