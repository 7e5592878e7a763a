#include "models/chat/strip.h"

#include "models/tokenizers/unicode_classes.h"
#include "models/tokenizers/utf8.h"

namespace lowland {

bool is_blank(char32_t code) { return (code >= 0x1C && code <= 0x1F) || (unicode_classes()[code] & kS); }

std::string_view strip_left(std::string_view text) {
  while (!text.empty()) {
    const Utf8Char c = utf8_next(text.data(), text.data() + text.size());
    if (!is_blank(c.code)) break;
    text.remove_prefix(c.length);
  }
  return text;
}

std::string_view strip_right(std::string_view text) {
  while (!text.empty()) {
    size_t last = text.size() - 1;
    while (last > 0 && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    if (!is_blank(utf8_next(text.data() + last, text.data() + text.size()).code)) break;
    text = text.substr(0, last);
  }
  return text;
}

std::string_view strip(std::string_view text) { return strip_right(strip_left(text)); }

}  // namespace lowland
