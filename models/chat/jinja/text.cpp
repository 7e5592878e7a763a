#include "models/chat/jinja/text.h"

#include <algorithm>

namespace lowland::jinja {
namespace {

void add(Ranges& to, const Ranges& from, size_t shift) {
  for (const TextRange& r : from) {
    const TextRange moved{r.begin + shift, r.end + shift};
    if (!to.empty() && to.back().end == moved.begin)
      to.back().end = moved.end;
    else
      to.push_back(moved);
  }
}

void cut(Ranges& to, const Ranges& from, size_t begin, size_t end) {
  for (const TextRange& r : from) {
    const size_t a = std::max(r.begin, begin), b = std::min(r.end, end);
    if (a < b) to.push_back({a - begin, b - begin});
  }
}

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

TextPtr make_text(std::string bytes, bool input) {
  auto text = std::make_shared<Text>();
  text->bytes = std::move(bytes);
  if (input && !text->bytes.empty()) text->input = {{0, text->bytes.size()}};
  return text;
}

bool touched(const Text& text) { return !text.input.empty(); }

void append(Text& to, const Text& from) {
  add(to.input, from.input, to.bytes.size());
  add(to.spoken, from.spoken, to.bytes.size());
  to.bytes += from.bytes;
}

Text part(const Text& text, size_t begin, size_t end) {
  Text out;
  begin = std::min(begin, text.bytes.size());
  end = std::max(begin, std::min(end, text.bytes.size()));
  out.bytes = text.bytes.substr(begin, end - begin);
  out.markup = text.markup;
  cut(out.input, text.input, begin, end);
  cut(out.spoken, text.spoken, begin, end);
  return out;
}

Text remade(const Text& text, std::string bytes) {
  Text out;
  out.markup = text.markup;
  if (touched(text) && !bytes.empty()) out.input = {{0, bytes.size()}};
  out.bytes = std::move(bytes);
  return out;
}

Text escaped(const Text& text) {
  std::string out;
  for (const char c : text.bytes) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  Text result = out == text.bytes ? text : remade(text, std::move(out));
  result.markup = true;
  return result;
}

int64_t count_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); });
}

size_t byte_of(std::string_view text, int64_t n) {
  size_t at = 0;
  for (; at < text.size() && n > 0; --n) {
    ++at;
    while (at < text.size() && continues(text[at])) ++at;
  }
  return at;
}

}  // namespace lowland::jinja
