// Values as text: str() and repr() of Python.
#include <unicode/uchar.h>

#include <charconv>
#include <cmath>

#include "models/chat/jinja/value.h"
#include "models/tokenizers/utf8.h"

namespace lowland::jinja {
namespace {

bool printable(char32_t c) {
  if (c == ' ') return true;
  constexpr uint32_t kNot = U_GC_C_MASK | U_GC_Z_MASK;  // control, format, surrogates, unused; separators
  return (U_MASK(u_charType(static_cast<UChar32>(c))) & kNot) == 0;
}

std::string text_repr(std::string_view text) {
  const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_next(text.data() + at, text.data() + text.size());
    if (c.code == '\n')
      out += "\\n";
    else if (c.code == '\r')
      out += "\\r";
    else if (c.code == '\t')
      out += "\\t";
    else if (c.code == '\\' || c.code == static_cast<char32_t>(quote))
      out += {'\\', static_cast<char>(c.code)};
    else if (printable(c.code))
      out += text.substr(at, c.length);
    else
      out += c.code <= 0xFF     ? fmt::format("\\x{:02x}", static_cast<uint32_t>(c.code))
             : c.code <= 0xFFFF ? fmt::format("\\u{:04x}", static_cast<uint32_t>(c.code))
                                : fmt::format("\\U{:08x}", static_cast<uint32_t>(c.code));
    at += c.length;
  }
  return out + quote;
}

void join_reprs(std::string& out, const std::vector<Value>& items, Budget& budget) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ", ";
    out += to_repr(items[i], budget);
  }
}

std::string sequence_repr(const Sequence& s, Budget& budget) {
  if (s.kind == Sequence::Kind::iterator) return "<generator object>";
  std::string out;
  if (s.kind == Sequence::Kind::range) {
    int64_t first = 0, second = 0, last = 0;
    if (s.items.empty()) return "range(0, 0)";
    s.items.front().to_integer(first);
    s.items.back().to_integer(last);
    if (s.items.size() > 1) s.items[1].to_integer(second);
    const int64_t step = s.items.size() > 1 ? second - first : 1;
    return step == 1 ? fmt::format("range({}, {})", first, last + 1)
                     : fmt::format("range({}, {}, {})", first, last + (step > 0 ? 1 : -1), step);
  }
  join_reprs(out, s.items, budget);
  if (s.kind == Sequence::Kind::tuple) return "(" + out + (s.items.size() == 1 ? ",)" : ")");
  if (s.kind == Sequence::Kind::list) return "[" + out + "]";
  const char* name = s.kind == Sequence::Kind::keys     ? "dict_keys"
                     : s.kind == Sequence::Kind::values ? "dict_values"
                                                        : "dict_items";
  return fmt::format("{}([{}])", name, out);
}

std::string dict_repr(const Dict& d, Budget& budget) {
  std::string out = "{";
  for (const auto& [key, value] : d.items) {
    if (out.size() > 1) out += ", ";
    out += to_repr(key, budget) + ": " + to_repr(value, budget);
  }
  return out + "}";
}

}  // namespace

// The shortest digits that read back as x, laid out as Python does.
std::string float_repr(double x) {
  if (std::isnan(x)) return "nan";
  if (std::isinf(x)) return x > 0 ? "inf" : "-inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, x, std::chars_format::scientific).ptr;
  const std::string_view all(buffer, static_cast<size_t>(end - buffer));
  const size_t e = all.find('e');
  int exponent = 0;
  const size_t digits_at = all[e + 1] == '+' ? e + 2 : e + 1;
  std::from_chars(all.data() + digits_at, all.data() + all.size(), exponent);
  if (exponent >= -4 && exponent < 16) {
    const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, x, std::chars_format::fixed).ptr;
    std::string out(buffer, fixed);
    return out.find('.') == std::string::npos ? out + ".0" : out;
  }
  return std::string(all.substr(0, e)) + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
}

std::string to_repr(const Value& value, Budget& budget) {
  const Budget::Level level(budget);
  std::string out;
  if (const Text* t = value.text())
    out = t->markup ? "Markup(" + text_repr(t->bytes) + ")" : text_repr(t->bytes);
  else if (value.is_undefined())
    out = "Undefined";
  else if (const Sequence* s = value.sequence())
    out = sequence_repr(*s, budget);
  else if (const Dict* d = value.dict())
    out = dict_repr(*d, budget);
  else
    return to_text(value, budget).bytes;
  budget.bytes(out.size());
  return out;
}

Text to_text(const Value& value, Budget& budget) {
  Text out;
  if (const Text* t = value.text()) {
    out = *t;
    out.markup = false;
  } else if (value.is_none()) {
    out.bytes = "None";
  } else if (const auto* b = value.get<bool>()) {
    out.bytes = *b ? "True" : "False";
  } else if (const auto* i = value.get<int64_t>()) {
    out.bytes = std::to_string(*i);
  } else if (const auto* d = value.get<double>()) {
    out.bytes = float_repr(*d);
  } else if (value.sequence() || value.dict()) {
    out.bytes = to_repr(value, budget);
    if (touched(value, budget)) out.input = {{0, out.bytes.size()}};
  } else if (value.get<std::shared_ptr<Namespace>>()) {
    out.bytes = "<Namespace>";
  } else if (const auto* f = value.get<std::shared_ptr<const Callable>>()) {
    out.bytes = "<function " + (*f)->name + ">";
  } else if (value.get<std::shared_ptr<Loop>>()) {
    out.bytes = "<LoopContext>";
  }
  budget.bytes(out.bytes.size());
  return out;
}

}  // namespace lowland::jinja
