// Records of text and conversations as examples.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "apps/data/language_records.h"
#include "apps/objectives/language_examples.h"
#include "apps/settings/settings.h"
#include "models/chat/encode_chat.h"
#include "models/tokenizers/tokenizer.h"

namespace lowland::apps {

// Ids of a text with what the tokenizer puts in front of it (`<s>`), and nothing behind.
std::vector<int32_t> encode_prompt(const Tokenizer& tokenizer, const std::string& text, bool parse_special);

// The same of a record's prompt, which its task may end in a token of its own.
std::vector<int32_t> encode_given(const Tokenizer& tokenizer, const std::string& prompt, const std::string& task);

// The template of this name, or where it is empty the folder's own; said in the log.
ChatTemplate chosen_template(const std::string& name, const std::string& folder);

struct LanguageSettings {
  std::string task = "text";  // or e2e: a token between meaning and sentence, as Hu et al. 2021 have it
  std::string loss = "assistant", overlong = "cut", chat_template, date = "26 Jul 2024";
  void add_flags(Flags& flags, BatchSettings& batch);  // the batch's --batch-tokens stands among them
  void add_chat_flags(Flags& flags);
  void check() const;
};

// How records become ids.
class ExampleMaker {
 public:
  // folder: of the model, whose own chat template counts where settings name none.
  ExampleMaker(const Tokenizer& tokenizer, const LanguageSettings& settings, std::string folder, int64_t max_length);

  LanguageExample make(const LanguageRecord& record) const;
  // All of a file's records. Throws Error where no example is left.
  LanguageSplit make_split(const std::vector<LanguageRecord>& records) const;
  // Plain text: documents between `<s>` and `</s>`, cut into pieces of at most max_length tokens, each learnt whole.
  LanguageSplit make_documents(const std::vector<std::string>& files, bool line_by_line) const;

 private:
  LanguageExample make_conversation(const LanguageRecord& record) const;
  LanguageExample make_parted(const LanguageRecord& record) const;
  const ChatTemplate& chat() const;  // found at the first conversation

  const Tokenizer& tokenizer_;
  LanguageSettings settings_;
  Overlong overlong_;
  std::string folder_;
  int64_t max_length_;
  mutable std::optional<ChatTemplate> chat_;  // said when it is found
  std::vector<int32_t> front_;                // what the tokenizer puts in front of a text
};

}  // namespace lowland::apps
