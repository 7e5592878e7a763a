#include "apps/objectives/language_maker.h"

#include <algorithm>

#include "apps/common/progress.h"
#include "apps/data/documents.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

// User text never makes a special token.
EncodeOptions plain() {
  EncodeOptions options;
  options.parse_special = false;
  return options;
}

}  // namespace

ChatTemplate chosen_template(const std::string& name, const std::string& folder) {
  ChatTemplate chat = name.empty() ? load_chat_template(folder) : chat_template_of(name);
  say("chat template: " + chat.name);
  return chat;
}

std::vector<int32_t> encode_prompt(const Tokenizer& tokenizer, const std::string& text, bool parse_special) {
  std::vector<int32_t> ids;
  for (const int32_t part : tokenizer.input_template().single) {
    if (part == InputTemplate::kA) break;
    ids.push_back(part);
  }
  EncodeOptions options;
  options.parse_special = parse_special;
  const std::vector<int32_t> body = tokenizer.encode(text, options);
  ids.insert(ids.end(), body.begin(), body.end());
  return ids;
}

std::vector<int32_t> encode_given(const Tokenizer& tokenizer, const std::string& prompt, const std::string& task) {
  std::vector<int32_t> ids = encode_prompt(tokenizer, prompt, false);
  if (task == "e2e")
    ids.push_back(tokenizer.special().bos >= 0 ? tokenizer.special().bos : tokenizer.need(&SpecialIds::eos));
  return ids;
}

void LanguageSettings::add_flags(Flags& f, BatchSettings& batch) {
  f.add("loss", &loss,
        "assistant: on completions and answers only; last: of a conversation on the last answer; all: on every token "
        "but the first");
  f.add("overlong", &overlong, "Examples over --max-length: cut keeps their start, drop leaves them out");
  batch.add_batch_tokens(f);
  add_chat_flags(f);
  batch.add_weights_dtype(f);
}

void LanguageSettings::add_chat_flags(Flags& f) {
  f.add("chat-template", &chat_template,
        "Template of conversations, where the folder's own is not to be used: a built-in one's name, or a file");
  f.add("date", &date, "The day that a template is told, as 26 Jul 2024 or 2024-07-26");
}

void LanguageSettings::check() const {
  check_word("task", task, {"text", "e2e"});
  check_word("loss", loss, {"assistant", "last", "all"});
  parse_overlong(overlong);
  if (!chat_template.empty()) chat_template_of(chat_template);
}

ExampleMaker::ExampleMaker(const Tokenizer& tokenizer, const LanguageSettings& settings, std::string folder,
                           int64_t max_length)
    : tokenizer_(tokenizer),
      settings_(settings),
      overlong_(parse_overlong(settings.overlong)),
      folder_(std::move(folder)),
      max_length_(max_length),
      front_(encode_prompt(tokenizer, "", false)) {
  LL_CHECK(max_length >= 2, "--max-length must be at least 2, got {}", max_length);
}

const ChatTemplate& ExampleMaker::chat() const {
  if (!chat_) chat_ = chosen_template(settings_.chat_template, folder_);
  return *chat_;
}

LanguageExample ExampleMaker::make_conversation(const LanguageRecord& record) const {
  ChatOptions options;
  options.date = settings_.date;
  options.tools = record.tools;
  options.variables = record.variables;
  const bool everything = settings_.loss == "all";
  options.answers = everything ? Answers::none : settings_.loss == "last" ? Answers::last : Answers::all;
  for (const ChatMessage& m : record.messages)
    LL_CHECK(m.learn || !everything, "{}: a message has weight 0, and --loss all learns every one", record.where);
  LanguageExample e;
  try {
    ChatIds chat_ids = encode_chat(tokenizer_, chat(), record.messages, options);
    e.ids = std::move(chat_ids.ids);
    e.learn = std::move(chat_ids.is_answer);
  } catch (const Error& error) {
    fail("{}: {}", record.where, error.what());
  }
  if (settings_.loss == "all") std::fill(e.learn.begin(), e.learn.end(), uint8_t{1});
  if (!e.learn.empty()) e.learn[0] = 0;
  return e;
}

LanguageExample ExampleMaker::make_parted(const LanguageRecord& record) const {
  LanguageExample e;
  e.ids = encode_given(tokenizer_, record.prompt, settings_.task);
  e.learn.assign(e.ids.size(), settings_.loss == "all" ? 1 : 0);
  const std::vector<int32_t> rest = tokenizer_.encode(record.completion, plain());
  e.ids.insert(e.ids.end(), rest.begin(), rest.end());
  e.ids.push_back(tokenizer_.need(&SpecialIds::eos));
  e.learn.resize(e.ids.size(), 1);
  e.learn[0] = 0;
  return e;
}

LanguageExample ExampleMaker::make(const LanguageRecord& record) const {
  if (!record.messages.empty()) return make_conversation(record);
  if (settings_.task == "e2e") return make_parted(record);
  LanguageExample e;
  std::vector<uint32_t> ends;
  tokenizer_.encode_with_ends(record.prompt + record.completion, plain(), e.ids, ends);  // replaces the ids
  e.ids.insert(e.ids.begin(), front_.begin(), front_.end());
  e.learn.assign(front_.size(), 0);
  for (size_t i = 0; i < ends.size(); ++i) {
    // A token that straddles the prompt's end is the prompt's.
    const uint32_t begin = i == 0 ? 0 : ends[i - 1];
    e.learn.push_back(settings_.loss == "all" || begin >= record.prompt.size() ? 1 : 0);
  }
  e.ids.push_back(tokenizer_.need(&SpecialIds::eos));
  e.learn.push_back(1);
  if (!e.learn.empty()) e.learn[0] = 0;
  LL_CHECK(e.learn.size() == e.ids.size(), "{}: {} ids, {} marks", record.where, e.ids.size(), e.learn.size());
  return e;
}

LanguageSplit ExampleMaker::make_split(const std::vector<LanguageRecord>& records) const {
  LanguageSplit split;
  for (const LanguageRecord& record : records) take_example(make(record), overlong_, max_length_, split);
  LL_CHECK(!split.examples.empty(), "none of the {} examples has a token to learn within {} tokens", records.size(),
           max_length_);
  return split;
}

LanguageSplit ExampleMaker::make_documents(const std::vector<std::string>& files, bool line_by_line) const {
  LanguageSplit split;
  const std::unique_ptr<Tokenizer::Scratch> scratch = tokenizer_.make_scratch();
  for_each_document(files, line_by_line, [&](const std::string& text) {
    std::vector<int32_t> ids = front_;
    tokenizer_.encode(text, plain(), *scratch, ids);
    if (tokenizer_.special().eos >= 0) ids.push_back(tokenizer_.special().eos);
    // A piece begins with the last token of the one before: no token is left unlearnt.
    for (size_t begin = 0; begin + 1 < ids.size(); begin += static_cast<size_t>(max_length_) - 1) {
      const size_t end = std::min(begin + static_cast<size_t>(max_length_), ids.size());
      LanguageExample e;
      e.ids.assign(ids.begin() + begin, ids.begin() + end);
      e.learn.assign(e.ids.size(), 1);
      e.learn[0] = 0;
      split.add(std::move(e));
    }
  });
  LL_CHECK(!split.examples.empty(), "{} holds no token to learn", files.front());
  return split;
}

}  // namespace lowland::apps
