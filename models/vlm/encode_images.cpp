#include "models/vlm/encode_images.h"

#include <algorithm>

#include "engine/error.h"
#include "models/vlm/vlm.h"

namespace lowland {
namespace {

constexpr size_t kMarkLength = 7;  // of `<image>`

// Where the marks stand in a part of the text.
std::vector<size_t> marks_within(std::string_view text, const TextRange& part) {
  std::vector<size_t> out;
  const std::string_view inside = text.substr(0, part.end);
  for (size_t at = part.begin; (at = inside.find(kImageText, at)) != std::string_view::npos; at += kMarkLength)
    out.push_back(at);
  return out;
}

// Those in what was handed in: the template's own words have none.
std::vector<size_t> marks_of(const ChatText& text) {
  std::vector<size_t> out;
  for (const TextRange& content : text.contents)
    for (const size_t at : marks_within(text.text, content)) out.push_back(at);
  return out;
}

// The part [begin, end) of `ranges`, counted from `begin`.
std::vector<TextRange> clipped(const std::vector<TextRange>& ranges, size_t begin, size_t end) {
  std::vector<TextRange> out;
  for (const TextRange& r : ranges) {
    const size_t from = std::max<size_t>(r.begin, begin), to = std::min<size_t>(r.end, end);
    if (from < to) out.push_back({from - begin, to - begin});
  }
  return out;
}

// Contents without the marks, so that the tokenizer makes its special token of each.
ChatText with_open_marks(ChatText text, const std::vector<size_t>& marks) {
  std::vector<TextRange> contents;
  for (const TextRange& content : text.contents) {
    size_t from = content.begin;
    for (const size_t mark : marks) {
      if (mark < content.begin || mark >= content.end) continue;
      if (from < mark) contents.push_back({from, mark});
      from = mark + kMarkLength;
    }
    if (from < content.end) contents.push_back({from, content.end});
  }
  text.contents = std::move(contents);
  return text;
}

// Text before, between and after the marks, each tokenised apart, image tokens between them.
ChatIds encode_apart(const Tokenizer& tokenizer, const ChatText& text, const std::vector<size_t>& marks,
                     int32_t image_token) {
  ChatIds out;
  size_t from = 0;
  for (size_t i = 0; i <= marks.size(); ++i) {
    const size_t to = i < marks.size() ? marks[i] : text.text.size();
    ChatText part;
    part.text = text.text.substr(from, to - from);
    part.contents = clipped(text.contents, from, to);
    part.answers = clipped(text.answers, from, to);
    part.needs_bos = text.needs_bos && i == 0;
    const ChatIds ids = encode_chat_text(tokenizer, part);
    out.ids.insert(out.ids.end(), ids.ids.begin(), ids.ids.end());
    out.is_answer.insert(out.is_answer.end(), ids.is_answer.begin(), ids.is_answer.end());
    if (i == marks.size()) break;
    out.ids.push_back(image_token);
    out.is_answer.push_back(0);
    from = to + kMarkLength;
  }
  return out;
}

}  // namespace

ImagePrompt image_prompt_of(const std::string& style) {
  LL_CHECK(style == "hf" || style == "llava", "--prompt-style must be hf or llava, got {}", style);
  if (style == "llava") return {chat_template_of("vicuna"), true};
  return {chat_template_of("llava-hf"), false};
}

int64_t count_image_marks(const std::vector<ChatMessage>& messages) {
  int64_t n = 0;
  for (const ChatMessage& m : messages) n += marks_within(m.content, {0, m.content.size()}).size();
  return n;
}

ChatIds encode_with_images(const Tokenizer& tokenizer, const ImagePrompt& prompt, const VlmConfig& config,
                           const std::vector<ChatMessage>& messages, bool generation_prompt) {
  ChatOptions options;
  options.bos = tokenizer.piece(tokenizer.special().bos);
  options.eos = tokenizer.piece(tokenizer.special().eos);
  options.generation_prompt = generation_prompt;
  const ChatText text = render_chat(prompt.chat, messages, options);
  const std::vector<size_t> marks = marks_of(text);
  const auto token = static_cast<int32_t>(config.image_token_id);
  const bool known = tokenizer.id_of(kImageText) == token;
  ChatIds out = known && !prompt.separately ? encode_chat_text(tokenizer, with_open_marks(text, marks))
                                            : encode_apart(tokenizer, text, marks, token);
  for (size_t i = 0; i < out.ids.size(); ++i)
    if (out.ids[i] == token) out.is_answer[i] = 0;
  out.ids = expand_image_tokens(out.ids, token, config.image_tokens(), &out.is_answer);
  return out;
}

}  // namespace lowland
