// json.dumps of Python.
#include <algorithm>
#include <cmath>

#include "models/chat/jinja/functions.h"
#include "models/tokenizers/utf8.h"

namespace lowland::jinja {
namespace {

class Writer {
 public:
  Writer(const JsonStyle& style, Budget& budget) : style_(style), budget_(budget) {}

  void write(const Value& value) {
    const Budget::Level level(budget_);
    const size_t before = out_.size();
    const Sequence* s = value.sequence();
    if (const Text* text = value.text())
      quote(text->bytes);
    else if (const Dict* dict = value.dict())
      write_dict(*dict);
    else if (s && s->kind <= Sequence::Kind::tuple)
      write_list(s->items);
    else
      out_ += scalar(value);
    budget_.bytes(out_.size() - before);
  }
  std::string take() { return std::move(out_); }

 private:
  static std::string scalar(const Value& value) {
    if (value.is_none()) return "null";
    if (const auto* b = value.get<bool>()) return *b ? "true" : "false";
    if (const auto* i = value.get<int64_t>()) return std::to_string(*i);
    const auto* d = value.get<double>();
    LL_CHECK(d, "a {} has no place in JSON", type_name(value));
    return std::isnan(*d) ? "NaN" : std::isinf(*d) ? (*d > 0 ? "Infinity" : "-Infinity") : float_repr(*d);
  }

  void quote(std::string_view text) {
    out_ += '"';
    for (size_t at = 0; at < text.size();) {
      const Utf8Char c = utf8_next(text.data() + at, text.data() + text.size());
      static constexpr std::string_view kShort = "\"\\\n\r\t\f\b", kLetters = "\"\\nrtfb";
      const size_t letter = c.code < 128 ? kShort.find(static_cast<char>(c.code)) : kShort.npos;
      if (letter != kShort.npos)
        out_ += {'\\', kLetters[letter]};
      else if (c.code < 0x20 || (style_.ascii && c.code > 126))
        escape(c.code);
      else
        out_ += text.substr(at, c.length);
      at += c.length;
    }
    out_ += '"';
  }

  void escape(char32_t code) {
    if (code == 127) {
      out_ += static_cast<char>(127);
    } else if (code > 0xFFFF) {
      const uint32_t rest = static_cast<uint32_t>(code) - 0x10000;
      out_ += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
    } else {
      out_ += fmt::format("\\u{:04x}", static_cast<uint32_t>(code));
    }
  }

  void new_line(int levels) {
    if (!style_.indented) return;
    out_ += '\n';
    for (int i = 0; i < levels; ++i) out_ += style_.indent;
    budget_.bytes(static_cast<size_t>(levels) * style_.indent.size());
  }

  void write_list(const std::vector<Value>& items) {
    if (items.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.item;
      new_line(level_);
      write(items[i]);
    }
    new_line(--level_);
    out_ += ']';
  }

  void write_dict(const Dict& dict) {
    if (dict.items.empty()) {
      out_ += "{}";
      return;
    }
    std::vector<const std::pair<Value, Value>*> items;
    for (const auto& item : dict.items) items.push_back(&item);
    if (style_.sorted)
      std::stable_sort(items.begin(), items.end(),
                       [&](const auto* a, const auto* b) { return order(a->first, b->first, budget_) < 0; });
    out_ += '{';
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.item;
      new_line(level_);
      const Value& key = items[i]->first;
      quote(key.text() ? key.text()->bytes : scalar(key));
      out_ += style_.key;
      write(items[i]->second);
    }
    new_line(--level_);
    out_ += '}';
  }

  const JsonStyle& style_;
  Budget& budget_;
  std::string out_;
  int level_ = 0;
};

}  // namespace

Text to_json(const Value& value, const JsonStyle& style, Budget& budget) {
  Writer writer(style, budget);
  writer.write(value);
  Text out;
  out.bytes = writer.take();
  if (touched(value, budget)) out.input = {{0, out.bytes.size()}};
  return out;
}

}  // namespace lowland::jinja
