#include "models/tokenizers/printable.h"

#include <fmt/format.h>

#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

std::string escaped(std::string_view text, bool keep_lines) {
  std::string out;
  out.reserve(text.size());
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p < end;) {
    const Utf8Char c = utf8_next(p, end);
    const bool kept = keep_lines && (c.code == '\n' || c.code == '\t');
    const bool control = c.code < 0x20 || (c.code >= 0x7f && c.code < 0xa0);
    if (c.valid && (kept || !control)) {
      out.append(p, c.length);
    } else if (c.code == '\n' || c.code == '\t') {
      out += c.code == '\n' ? "\\n" : "\\t";
    } else if (c.valid) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c.code));
    } else {
      for (int i = 0; i < c.length; ++i) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(p[i]));
    }
    p += c.length;
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text) { return escaped(text, false); }
std::string printable_lines(std::string_view text) { return escaped(text, true); }

}  // namespace lowland
