// The table of normalizers, and the small ones.
#include "models/tokenizers/normalizers/normalizer.h"

#include "engine/error.h"
#include "models/tokenizers/byte_alphabet.h"
#include "models/tokenizers/json_parts.h"
#include "models/tokenizers/split_expression.h"
#include "models/tokenizers/unicode_classes.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

using nlohmann::json;

// A normalizer that is a function.
template <class Run> class Step final : public Normalizer {
 public:
  explicit Step(Run function) : run_(std::move(function)) {}
  void run(MappedText& out, bool mapped) const override { run_(out, mapped); }

 private:
  Run run_;
};
template <class Run> NormalizerPtr step(Run run) { return std::make_unique<Step<Run>>(std::move(run)); }

// change(code) gives the new character, or nothing to leave it out, as text; nullptr: it stays.
template <class Change> void each_character(MappedText& out, bool mapped, Change change) {
  Rewrite rewrite(out, mapped);
  bool changed = false;
  for (const char *p = out.text.data(), *end = p + out.text.size(); p < end;) {
    const Utf8Char c = utf8_next(p, end);
    const std::string* with = change(c.code);
    if (with)
      rewrite.replace(c.length, *with), changed = true;
    else
      rewrite.keep(c.length);
    p += c.length;
  }
  if (changed) rewrite.finish();
}

bool is_space(char32_t code) { return unicode_classes()[code] & kS; }

void strip(MappedText& out, bool left, bool right, bool mapped) {
  size_t begin = 0, end = out.text.size();
  const char *p = out.text.data(), *stop = p + end;
  while (left && begin < end && is_space(utf8_next(p + begin, stop).code)) begin += utf8_next(p + begin, stop).length;
  while (right && end > begin) {
    size_t last = end - 1;
    while (last > begin && (static_cast<unsigned char>(p[last]) & 0xC0) == 0x80) --last;
    if (!is_space(utf8_next(p + last, stop).code)) break;
    end = last;
  }
  out.text.erase(end).erase(0, begin);
  if (!mapped) return;
  out.source_end.resize(end);
  out.source_end.erase(out.source_end.begin(), out.source_end.begin() + begin);
}

void replace_matches(MappedText& out, const SplitExpression& expression, const std::string& to, bool mapped) {
  SplitExpression::Scratch scratch;
  ExpressionCursor cursor(expression, out.text, scratch);
  Rewrite rewrite(out, mapped);
  const char* at = out.text.data();
  while (const char* end = cursor.next()) {
    if (cursor.is_match())
      rewrite.replace(end - at, to);
    else
      rewrite.keep(end - at);
    at = end;
  }
  rewrite.finish();
}

NormalizerPtr replace_of(const json& component, const std::string& source) {
  const json& pattern = component.at("pattern");
  auto to = component.at("content").get<std::string>();
  auto from = json_text(pattern, "String");
  if (!from.empty()) return replace_normalizer(from, to);
  auto expression = std::make_shared<SplitExpression>(
      pattern.contains("Regex") ? pattern.at("Regex").get<std::string>() : "", source);
  return step([expression, to](MappedText& out, bool mapped) { replace_matches(out, *expression, to, mapped); });
}

// sentencepiece's nmt rules that are no map: control characters go, other blanks become spaces.
void nmt(MappedText& out, bool mapped) {
  static const std::string nothing, space = " ";
  each_character(out, mapped, [](char32_t c) -> const std::string* {
    if ((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F)
      return &nothing;
    const bool blank = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                       c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
    return blank ? &space : nullptr;
  });
}

void to_alphabet(MappedText& out, bool mapped) {
  const ByteAlphabet alphabet;
  Rewrite rewrite(out, mapped);
  for (const char byte : out.text) rewrite.replace(1, alphabet.character(static_cast<uint8_t>(byte)));
  rewrite.finish();
}

NormalizerPtr sequence_of(const json& component, const std::string& source) {
  std::vector<NormalizerPtr> steps;
  for (const json& inner : component.at("normalizers")) steps.push_back(make_normalizer(inner, source));
  return sequence_normalizer(std::move(steps));
}

NormalizerPtr strip_of(const json& component) {
  const bool left = component.value("strip_left", true), right = component.value("strip_right", true);
  return step([left, right](MappedText& out, bool mapped) { strip(out, left, right, mapped); });
}

NormalizerPtr bert_of(const json& c) {
  const bool lower = c.value("lowercase", true);
  const json& accents = json_part(c, "strip_accents");
  return bert_normalizer(c.value("clean_text", true), c.value("handle_chinese_chars", true),
                         accents.is_boolean() ? accents.get<bool>() : lower, lower);
}

struct Kind {
  const char* name;
  NormalizerPtr (*make)(const json& component, const std::string& source);
};
constexpr Kind kKinds[] = {
    {"Sequence", sequence_of},
    {"NFC", [](const json&, const std::string&) { return unicode_form_normalizer("NFC"); }},
    {"NFD", [](const json&, const std::string&) { return unicode_form_normalizer("NFD"); }},
    {"NFKC", [](const json&, const std::string&) { return unicode_form_normalizer("NFKC"); }},
    {"NFKD", [](const json&, const std::string&) { return unicode_form_normalizer("NFKD"); }},
    {"Lowercase", [](const json&, const std::string&) { return step(lowercase); }},
    {"Strip", [](const json& c, const std::string&) { return strip_of(c); }},
    {"StripAccents",
     [](const json&, const std::string&) {
       return step([](MappedText& out, bool mapped) { leave_out(out, kAccent, mapped); });
     }},
    {"Replace", replace_of},
    {"Prepend",
     [](const json& c, const std::string&) { return prepend_normalizer(c.at("prepend").get<std::string>()); }},
    {"Nmt", [](const json&, const std::string&) { return step(nmt); }},
    {"ByteLevel", [](const json&, const std::string&) { return step(to_alphabet); }},
    {"BertNormalizer", [](const json& c, const std::string&) { return bert_of(c); }},
    {"Precompiled",
     [](const json& c, const std::string& source) {
       return precompiled_normalizer(json_base64(c.at("precompiled_charsmap"), source), source);
     }},
};

}  // namespace

std::string Normalizer::normalized(std::string_view text) const {
  MappedText out{std::string(text), {}};
  run(out, false);
  return out.text;
}

NormalizerPtr make_normalizer(const json& component, const std::string& source) {
  if (component.is_null()) return nullptr;
  return make_component<NormalizerPtr>(kKinds, component, "normalizer", source);
}

NormalizerPtr sequence_normalizer(std::vector<NormalizerPtr> steps) {
  std::erase(steps, nullptr);
  if (steps.empty()) return nullptr;
  if (steps.size() == 1) return std::move(steps[0]);
  auto shared = std::make_shared<std::vector<NormalizerPtr>>(std::move(steps));
  return step([shared](MappedText& out, bool mapped) {
    for (const NormalizerPtr& inner : *shared) inner->run(out, mapped);
  });
}

NormalizerPtr prepend_normalizer(std::string prefix) {
  return step([prefix](MappedText& out, bool mapped) { prepend(out, prefix, mapped); });
}

NormalizerPtr replace_normalizer(std::string from, std::string to) {
  return step([from, to](MappedText& out, bool mapped) { replace(out, from, to, mapped); });
}

NormalizerPtr extra_spaces_normalizer() {
  return step([](MappedText& out, bool mapped) {
    Rewrite rewrite(out, mapped);
    const std::string& text = out.text;
    for (size_t at = 0, size; at < text.size(); at += size) {
      const bool spaces = text[at] == ' ';
      const size_t end = spaces ? text.find_first_not_of(' ', at) : text.find(' ', at);
      size = std::min(end, text.size()) - at;
      if (!spaces)
        rewrite.keep(size);
      else if (at == 0 || at + size == text.size())
        rewrite.drop(size);
      else
        rewrite.replace(size, " ");
    }
    rewrite.finish();
  });
}

void lowercase(MappedText& out, bool mapped) {
  std::string small;
  each_character(out, mapped, [&small](char32_t c) -> const std::string* {
    const char32_t lower = small_letter(c);
    if (lower == c) return nullptr;
    small.clear();
    utf8_append(small, lower);
    if (c == 0x130) utf8_append(small, 0x307);
    return &small;
  });
}

void leave_out(MappedText& out, unsigned bits, bool mapped) {
  static const std::string nothing;
  const UnicodeClasses& classes = unicode_classes();
  each_character(out, mapped, [&](char32_t c) { return classes[c] & bits ? &nothing : nullptr; });
}

}  // namespace lowland
