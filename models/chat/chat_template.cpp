#include "models/chat/chat_template.h"

#include <algorithm>

#include "engine/error.h"
#include "models/chat/strip.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

constexpr const char* kHelpful = "You are a helpful assistant.";
constexpr const char* kQwenHelpful = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
constexpr const char* kVicunaSystem =
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, "
    "and polite answers to the user's questions.";

// Grows the text and notes what is in it.
class Writer {
 public:
  explicit Writer(const ChatOptions& options) : options_(options) {}

  Writer& marker(std::string_view text) {
    out_.text += text;
    return *this;
  }
  Writer& content(std::string_view text) {
    const size_t begin = out_.text.size();
    out_.text += text;
    if (!text.empty()) out_.contents.push_back({begin, out_.text.size()});
    return *this;
  }
  Writer& bos() { return marker(options_.bos); }
  Writer& eos() { return marker(options_.eos); }
  void begin_answer() { answer_ = out_.text.size(); }
  void end_answer() { out_.answers.push_back({answer_, out_.text.size()}); }

  const ChatOptions& options() const { return options_; }
  ChatText take() { return std::move(out_); }
  void needs_bos() { out_.needs_bos = true; }

 private:
  const ChatOptions& options_;
  ChatText out_;
  size_t answer_ = 0;
};

// The system message taken apart from the turns.
struct Conversation {
  bool has_system = false;
  std::string system;
  std::vector<ChatMessage> turns;
};

bool is(const ChatMessage& message, const char* role) { return message.role == role; }

// Turns that the published templates call in an error of their own: user first, then by turns.
void check_alternation(const Conversation& chat, const std::string& name) {
  for (size_t i = 0; i < chat.turns.size(); ++i) {
    LL_CHECK(is(chat.turns[i], i % 2 == 0 ? "user" : "assistant"),
             "the chat template {} wants user and assistant by turns, and turn {} is of the role {}", name, i + 1,
             chat.turns[i].role);
  }
}

void llama2(const Conversation& chat, Writer& out) {
  for (size_t i = 0; i < chat.turns.size(); ++i) {
    const ChatMessage& turn = chat.turns[i];
    if (is(turn, "user")) {
      out.bos().marker("[INST] ");
      // Stripped as a whole: a system block keeps the blanks in front of the user's text.
      const bool with_system = i == 0 && chat.has_system;
      const std::string_view text = with_system ? strip_right(turn.content) : strip(turn.content);
      if (with_system)
        out.marker("<<SYS>>\n").content(chat.system).marker(text.empty() ? "\n<</SYS>>" : "\n<</SYS>>\n\n");
      out.content(text).marker(" [/INST]");
    } else {
      out.begin_answer();
      out.marker(" ").content(strip(turn.content)).marker(" ").eos();
      out.end_answer();
    }
  }
}

void header(Writer& out, std::string_view role) {
  out.marker("<|start_header_id|>").marker(role).marker("<|end_header_id|>\n\n");
}

void llama3(const Conversation& chat, Writer& out, bool dated) {
  out.bos();
  if (dated || chat.has_system) {
    header(out, "system");
    if (dated) {
      out.marker("Cutting Knowledge Date: December 2023\nToday Date: " + out.options().date + "\n\n");
    }
    out.content(strip(chat.system)).marker("<|eot_id|>");
  }
  for (const ChatMessage& turn : chat.turns) {
    header(out, turn.role);
    out.begin_answer();
    out.content(strip(turn.content)).marker("<|eot_id|>");
    if (is(turn, "assistant")) out.end_answer();
  }
  if (out.options().generation_prompt) header(out, "assistant");
}

void chatml(const Conversation& chat, Writer& out, std::string_view system) {
  if (chat.has_system || !system.empty()) {
    out.marker("<|im_start|>system\n");
    if (chat.has_system)
      out.content(chat.system);
    else
      out.marker(system);
    out.marker("<|im_end|>\n");
  }
  for (const ChatMessage& turn : chat.turns) {
    out.marker("<|im_start|>").marker(turn.role).marker("\n");
    out.begin_answer();
    out.content(turn.content).marker("<|im_end|>");
    if (is(turn, "assistant")) out.end_answer();
    out.marker("\n");
  }
  if (out.options().generation_prompt) out.marker("<|im_start|>assistant\n");
}

struct MistralMarks {
  const char *open, *close, *answer;
  bool system_last, strip_answer;
};

void mistral(const Conversation& chat, Writer& out, const MistralMarks& marks) {
  out.bos();
  for (size_t i = 0; i < chat.turns.size(); ++i) {
    const ChatMessage& turn = chat.turns[i];
    if (is(turn, "user")) {
      out.marker(marks.open);
      const bool here = marks.system_last ? i + 1 == chat.turns.size() : i == 0;
      if (chat.has_system && here) out.content(chat.system).marker("\n\n");
      out.content(turn.content).marker(marks.close);
    } else {
      out.begin_answer();
      out.marker(marks.answer).content(marks.strip_answer ? strip(turn.content) : turn.content).eos();
      out.end_answer();
    }
  }
}

void zephyr(const Conversation& chat, Writer& out) {
  if (chat.has_system) out.marker("<|system|>\n").content(chat.system).eos().marker("\n");
  for (const ChatMessage& turn : chat.turns) {
    out.marker("<|").marker(turn.role).marker("|>\n");
    out.begin_answer();
    out.content(turn.content).eos();
    if (is(turn, "assistant")) out.end_answer();
    out.marker("\n");
  }
  if (out.options().generation_prompt) out.marker("<|assistant|>\n");
}

void vicuna(const Conversation& chat, Writer& out, std::string_view system) {
  out.needs_bos();
  if (chat.has_system)
    out.content(chat.system).marker(" ");
  else if (!system.empty())
    out.marker(system).marker(" ");
  for (const ChatMessage& turn : chat.turns) {
    if (is(turn, "user")) {
      out.marker("USER: ").content(turn.content).marker(" ");
    } else {
      out.marker("ASSISTANT:");
      out.begin_answer();
      out.marker(" ").content(turn.content).eos();
      out.end_answer();
    }
  }
  if (out.options().generation_prompt) out.marker("ASSISTANT:");
}

void plain(const Conversation& chat, Writer& out) {
  out.needs_bos();
  if (chat.has_system) out.content(chat.system).marker("\n");
  for (const ChatMessage& turn : chat.turns) {
    out.begin_answer();
    out.content(turn.content);
    if (is(turn, "user")) {
      out.marker("\n");
    } else {
      out.eos();
      out.end_answer();
    }
  }
}

Conversation take_apart(const std::vector<ChatMessage>& messages) {
  Conversation chat;
  LL_CHECK(!messages.empty(), "a conversation without messages");
  for (size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    const std::string content = utf8_repair(message.content);
    if (is(message, "system")) {
      LL_CHECK(i == 0, "message {} has the role system, which only the first may have", i + 1);
      chat.has_system = true;
      chat.system = content;
      continue;
    }
    LL_CHECK(is(message, "user") || is(message, "assistant"),
             "message {} has the role '{}', where system, user or assistant is expected", i + 1, message.role);
    chat.turns.push_back({message.role, content});
  }
  return chat;
}

void render(const ChatTemplate& chat, const Conversation& conversation, Writer& out) {
  switch (chat.kind) {
    case ChatKind::kLlama2: return llama2(conversation, out);
    case ChatKind::kLlama3: return llama3(conversation, out, false);
    case ChatKind::kLlama31: return llama3(conversation, out, true);
    case ChatKind::kQwen2: return chatml(conversation, out, kHelpful);
    case ChatKind::kQwen25: return chatml(conversation, out, kQwenHelpful);
    case ChatKind::kChatml: return chatml(conversation, out, "");
    case ChatKind::kMistral: return mistral(conversation, out, {"[INST] ", " [/INST]", "", false, false});
    case ChatKind::kMistralV1: return mistral(conversation, out, {" [INST] ", " [/INST]", " ", false, false});
    case ChatKind::kMistralV3: return mistral(conversation, out, {"[INST] ", "[/INST]", " ", true, chat.strip_answer});
    case ChatKind::kZephyr: return zephyr(conversation, out);
    case ChatKind::kVicuna: return vicuna(conversation, out, kVicunaSystem);
    case ChatKind::kLlavaHf: return vicuna(conversation, out, "");
    case ChatKind::kPlain: return plain(conversation, out);
  }
}

}  // namespace

const std::vector<std::string>& chat_template_names() {
  static const std::vector<std::string> names = {"llama2", "llama3",   "llama3.1",   "qwen2",      "qwen2.5",
                                                 "chatml", "mistral",  "mistral-v1", "mistral-v3", "zephyr",
                                                 "vicuna", "llava-hf", "plain"};
  return names;
}

ChatTemplate chat_template_of(const std::string& name) {
  const auto& names = chat_template_names();
  const auto at = std::find(names.begin(), names.end(), name);
  LL_CHECK(at != names.end(), "there is no chat template '{}': the built-in ones are {}", name, fmt::join(names, ", "));
  return {static_cast<ChatKind>(at - names.begin())};
}

std::string name_of(const ChatTemplate& chat) { return chat_template_names()[static_cast<size_t>(chat.kind)]; }

ChatText render_chat(const ChatTemplate& chat, const std::vector<ChatMessage>& messages, const ChatOptions& options) {
  const Conversation conversation = take_apart(messages);
  const std::string name = name_of(chat);
  const bool mistral =
      chat.kind == ChatKind::kMistral || chat.kind == ChatKind::kMistralV1 || chat.kind == ChatKind::kMistralV3;
  LL_CHECK(!conversation.has_system || chat.kind != ChatKind::kMistral,
           "the chat template mistral has no system message (mistral-v1 and mistral-v3 have one)");
  if (mistral || chat.kind == ChatKind::kLlama2) check_alternation(conversation, name);
  Writer out(options);
  render(chat, conversation, out);
  return out.take();
}

}  // namespace lowland
