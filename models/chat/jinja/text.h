// Texts of a template: UTF-8 that remembers where it came from.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizers/text_range.h"

namespace lowland::jinja {

using Ranges = std::vector<TextRange>;  // ascending, apart

struct Text {
  std::string bytes;
  Ranges input;         // came in from outside, a message or a tool: no special token is to be made of it
  Ranges spoken;        // stood in {% generation %}
  bool markup = false;  // of the filter safe: what is added to it is escaped for HTML
};
using TextPtr = std::shared_ptr<const Text>;

// input: the whole of it came in from outside.
TextPtr make_text(std::string bytes, bool input = false);
bool touched(const Text& text);  // anything of it came in from outside

void append(Text& to, const Text& from);
// The bytes [begin, end) with what is known of them.
Text part(const Text& text, size_t begin, size_t end);
// `bytes` made of `text` as a whole, letter by letter no longer the same.
Text remade(const Text& text, std::string bytes);
// & < > " ' as HTML writes them.
Text escaped(const Text& text);

// Python counts characters, not bytes.
int64_t count_characters(std::string_view text);
// Where character n begins; the end for n beyond it.
size_t byte_of(std::string_view text, int64_t n);

}  // namespace lowland::jinja
