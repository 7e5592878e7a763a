#include <algorithm>

#include "engine/error.h"
#include "models/chat/chat_template.h"
#include "models/chat/conversation.h"
#include "models/chat/strip.h"

namespace lowland {
namespace {

using jinja::Text;

// What our own templates leave to this place: roles, and their order.
void check_roles(const ChatTemplate& chat, const std::vector<ChatMessage>& messages) {
  size_t turn = 0;
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    LL_CHECK(role == "system" || role == "user" || role == "assistant",
             "message {} has the role '{}', where system, user or assistant is expected", i + 1, role);
    LL_CHECK(role != "system" || i == 0, "message {} has the role system, which only the first may have", i + 1);
    LL_CHECK(role != "system" || chat.takes_system,
             "the chat template {} has no system message (mistral-v1 and mistral-v3 have one)", chat.name);
    if (role == "system") continue;
    LL_CHECK(!chat.alternates || role == (turn % 2 == 0 ? "user" : "assistant"),
             "the chat template {} wants user and assistant by turns, and turn {} is of the role {}", chat.name,
             turn + 1, role);
    ++turn;
  }
}

const char* const kOtherwise =
    "--loss last learns the last answer alone, --loss all everything, and --chat-template takes a built-in template";

size_t content_end(const Text& text, size_t begin) {
  size_t end = begin;
  for (const TextRange& r : text.input) end = std::max(end, r.end);
  return end;
}

// Behind the last marker of an answer's turn: blanks behind it are not the model's. A template that never asks for the
// generation prompt may always end with one (Llama 3.0's first form): there what ends each message is told from what
// stands behind the one before, whose first marker <...> ends the turn.
size_t end_of_turn(const Conversation& chat, const Text& before, const Text& upto) {
  const size_t content = content_end(upto, before.bytes.size());
  const std::string_view behind = std::string_view(upto.bytes).substr(content);
  const std::string_view usual = std::string_view(before.bytes).substr(content_end(before, 0));
  if (!chat.asks_for_prompt() && usual.starts_with('<') && behind.ends_with(usual))
    return upto.bytes.size() - usual.size() + std::min(usual.find('>'), usual.size() - 1) + 1;
  const size_t stripped = strip_right(upto.bytes).size();
  return stripped > content ? stripped : upto.bytes.size();
}

// From behind the generation prompt of what comes before to the end of the turn.
TextRange answer(const Conversation& chat, const Text& whole, size_t i, bool last) {
  Text before, upto;
  try {
    before = chat.render(i, true);
    upto = last ? whole : chat.render(i + 1, false);
  } catch (const Error& e) {
    fail("message {}: where this answer stands cannot be seen, since the conversation up to it is refused ({}): {}",
         i + 1, e.what(), kOtherwise);
  }
  constexpr const char* kNoBeginning =
      "message {}: the chat template does not write a conversation as the beginning of a longer one, so that what is "
      "learnt of this answer cannot be told apart: {}";
  LL_CHECK(upto.bytes.starts_with(before.bytes), kNoBeginning, i + 1, kOtherwise);
  const size_t end = end_of_turn(chat, before, upto);
  LL_CHECK(whole.bytes.starts_with(upto.bytes.substr(0, end)), kNoBeginning, i + 1, kOtherwise);
  return {before.bytes.size(), end};
}

std::vector<size_t> answers_of(const std::vector<ChatMessage>& messages) {
  std::vector<size_t> out;
  for (size_t i = 0; i < messages.size(); ++i)
    if (messages[i].role == "assistant") out.push_back(i);
  return out;
}

// Stretches in {% generation %}, one an answer.
std::vector<TextRange> marked_answers(const Text& whole, const std::vector<ChatMessage>& messages, Answers which) {
  const std::vector<size_t> turns = answers_of(messages);
  const bool weighed = std::any_of(turns.begin(), turns.end(), [&](size_t i) { return !messages[i].learn; });
  if (which == Answers::all && !weighed) return whole.spoken;
  LL_CHECK(whole.spoken.size() == turns.size(),
           "the chat template marks {} stretches as spoken in a conversation with {} answers, so that those to learn "
           "cannot be told apart: leave out the weights, or take a built-in template by --chat-template",
           whole.spoken.size(), turns.size());
  std::vector<TextRange> out;
  for (size_t k = which == Answers::last ? turns.size() - 1 : 0; k < turns.size(); ++k)
    if (messages[turns[k]].learn) out.push_back(whole.spoken[k]);
  return out;
}

std::vector<TextRange> find_answers(const Conversation& chat, const Text& whole,
                                    const std::vector<ChatMessage>& messages, const ChatOptions& options) {
  const Answers which = options.answers;
  if (which == Answers::none || answers_of(messages).empty()) return {};
  if (chat.marks_answers()) return marked_answers(whole, messages, which);
  std::vector<size_t> turns = answers_of(messages);
  if (which == Answers::last) turns = {turns.back()};
  std::vector<TextRange> out;
  for (const size_t i : turns)
    if (messages[i].learn)
      out.push_back(answer(chat, whole, i, i + 1 == messages.size() && !options.generation_prompt));
  return out;
}

}  // namespace

ChatText render_chat(const ChatTemplate& chat, const std::vector<ChatMessage>& messages, const ChatOptions& options) {
  Conversation conversation(chat, messages, options);
  if (chat.built_in) check_roles(chat, messages);
  conversation.refuse_dropped();
  conversation.join_parts();
  const Text whole = conversation.render(messages.size(), options.generation_prompt);
  ChatText out;
  out.answers = find_answers(conversation, whole, messages, options);
  out.text = whole.bytes;
  out.contents = whole.input;
  out.needs_bos = chat.needs_bos;
  return out;
}

std::string apply_chat_template(const ChatTemplate& chat, const std::vector<ChatMessage>& messages,
                                const ChatOptions& options) {
  return Conversation(chat, messages, options).render(messages.size(), options.generation_prompt).bytes;
}

}  // namespace lowland
