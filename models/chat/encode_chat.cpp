#include "models/chat/encode_chat.h"

#include <algorithm>

#include "engine/error.h"

namespace lowland {

ChatIds encode_chat_text(const Tokenizer& tokenizer, const ChatText& text) {
  ChatIds out;
  std::vector<uint32_t> ends;
  tokenizer.encode_with_ends(text.text, {.parse_special = true, .verbatim = text.contents}, out.ids, ends);
  out.is_answer.assign(out.ids.size(), 0);
  size_t begin = 0, range = 0;
  for (size_t i = 0; i < ends.size(); ++i) {
    const size_t end = ends[i];
    while (range < text.answers.size() && text.answers[range].end < end) ++range;
    // An id of no text, a dummy prefix, belongs to what follows.
    const bool inside = range < text.answers.size() && text.answers[range].begin <= begin;
    if (inside && begin < text.answers[range].end) out.is_answer[i] = 1;
    begin = end;
  }
  if (!text.needs_bos) return out;
  const auto& around = tokenizer.input_template().single;
  const auto text_at = std::find(around.begin(), around.end(), InputTemplate::kA);
  const size_t before = text_at - around.begin();
  if (out.ids.size() >= before && std::equal(around.begin(), text_at, out.ids.begin())) return out;
  out.ids.insert(out.ids.begin(), around.begin(), text_at);
  out.is_answer.insert(out.is_answer.begin(), before, 0);
  return out;
}

namespace {

void take_tokens(const Tokenizer& tokenizer, ChatOptions& options) {
  const SpecialIds& special = tokenizer.special();
  if (options.bos.empty()) options.bos = tokenizer.piece(special.bos);
  if (options.eos.empty()) options.eos = tokenizer.piece(special.eos);
}

}  // namespace

ChatIds encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat, const std::vector<ChatMessage>& messages,
                    ChatOptions options) {
  take_tokens(tokenizer, options);
  return encode_chat_text(tokenizer, render_chat(chat, messages, options));
}

int32_t end_of_turn(const Tokenizer& tokenizer, const ChatTemplate& chat) {
  ChatOptions options{.answers = Answers::none};
  take_tokens(tokenizer, options);
  ChatText text;
  try {
    text = render_chat(chat, {{"user", "a"}, {"assistant", "b"}}, options);
  } catch (const Error&) {
    return -1;  // a template that wants more than this
  }
  if (text.contents.empty()) return -1;
  std::vector<int32_t> ids;
  std::vector<uint32_t> ends;
  tokenizer.encode_with_ends(text.text, {.parse_special = true, .verbatim = text.contents}, ids, ends);
  for (size_t i = 0; i < ids.size(); ++i) {
    const size_t begin = i == 0 ? 0 : ends[i - 1];
    const bool special = tokenizer.decode(std::span(&ids[i], 1), true).empty() && ends[i] > begin;
    if (begin >= text.contents.back().end && special) return ids[i];
  }
  return -1;
}

}  // namespace lowland
