// A conversation as a template sees it.
#pragma once
#include <ctime>
#include <string>
#include <vector>

#include "models/chat/chat_template.h"
#include "models/chat/jinja/template.h"

namespace lowland {

class Conversation {
 public:
  // The messages as transformers hands them over: keys without a value left out, reasoning under each of its names.
  // Keeps chat, messages and options. Error: json that is none.
  Conversation(const ChatTemplate& chat, const std::vector<ChatMessage>& messages, const ChatOptions& options);

  // Error, one sentence: what the template would leave out.
  void refuse_dropped() const;
  // Lists of text parts become one text, where the template does not go through parts. Error: a part that is none.
  void join_parts();

  // The first `count` messages.
  jinja::Text render(size_t count, bool generation_prompt) const;
  bool asks_for_prompt() const { return program().mentions("add_generation_prompt"); }
  bool marks_answers() const { return program().mentions("{% generation %}"); }

 private:
  const jinja::Template& program() const;
  bool reads_parts() const;

  const ChatTemplate& chat_;
  const std::vector<ChatMessage>& messages_;
  const ChatOptions& options_;
  std::vector<jinja::Value> values_;
  jinja::Variables variables_;
  std::tm now_{};
};

// "26 Jul 2024" or "2024-07-26"; false if it is neither.
bool parse_date(const std::string& text, std::tm& day);

}  // namespace lowland
