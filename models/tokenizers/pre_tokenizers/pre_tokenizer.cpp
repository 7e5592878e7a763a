// The table of pre-tokenizers, and those that cut at characters of a kind.
#include "models/tokenizers/pre_tokenizers/pre_tokenizer.h"

#include <algorithm>

#include "models/tokenizers/json_parts.h"
#include "models/tokenizers/unicode_classes.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

using nlohmann::json;
using Word = WordList::Word;

// A stretch that a pattern finds, or what lies between two.
struct Stretch {
  Word at;
  bool match;
};

// Appends the words that the stretches of one word make. The rules are those of the tokenizers package.
void merge_stretches(std::vector<Stretch>& found, SplitBehavior behavior, std::vector<Word>& out) {
  const bool backward = behavior == SplitBehavior::kMergedWithNext;
  if (backward) std::reverse(found.begin(), found.end());
  const auto first = static_cast<std::ptrdiff_t>(out.size());
  bool before = false;
  for (const Stretch& stretch : found) {
    const bool match = stretch.match;
    bool joins = false;
    if (behavior == SplitBehavior::kContiguous) joins = match == before;
    if (behavior == SplitBehavior::kMergedWithPrevious || backward) joins = match && !before;
    before = match;
    if (joins && static_cast<std::ptrdiff_t>(out.size()) > first)
      (backward ? out.back().begin : out.back().end) = backward ? stretch.at.begin : stretch.at.end;
    else if (!match || behavior != SplitBehavior::kRemoved)
      out.push_back(stretch.at);
  }
  if (backward) std::reverse(out.begin() + first, out.end());
  out.erase(std::remove_if(out.begin() + first, out.end(), [](Word word) { return word.begin == word.end; }),
            out.end());
}

// Cuts each word: cut(list, word) appends the new ones to list.words.
template <class Cut> void cut_words(WordList& list, Cut cut) {
  list.before.swap(list.words);
  list.words.clear();
  for (const Word word : list.before) cut(list, word);
}

// A pre-tokenizer that is a function on one word.
template <class Cut> class Cutter final : public PreTokenizer {
 public:
  explicit Cutter(Cut cut) : cut_(std::move(cut)) {}
  void run(WordList& list) const override { cut_words(list, cut_); }

 private:
  Cut cut_;
};
template <class Cut> PreTokenizerPtr cutter(Cut cut) { return std::make_unique<Cutter<Cut>>(std::move(cut)); }

// Cuts at each character for which is(code) holds.
template <class Is> PreTokenizerPtr character_cutter(Is is, SplitBehavior behavior) {
  return cutter([is, behavior](WordList& list, Word word) {
    std::vector<Stretch> found;
    uint32_t done = word.begin;
    const char *base = list.text.text.data(), *end = base + word.end;
    for (const char* p = base + word.begin; p < end;) {
      const Utf8Char c = utf8_next(p, end);
      const auto at = static_cast<uint32_t>(p - base), behind = at + static_cast<uint32_t>(c.length);
      p += c.length;
      if (!is(c.code)) continue;
      if (done < at) found.push_back({{done, at}, false});
      found.push_back({{at, behind}, true});
      done = behind;
    }
    if (done < word.end) found.push_back({{done, word.end}, false});
    merge_stretches(found, behavior, list.words);
  });
}
PreTokenizerPtr class_cutter(unsigned bits, SplitBehavior behavior) {
  return character_cutter([&classes = unicode_classes(), bits](char32_t c) { return classes[c] & bits; }, behavior);
}

// Runs of characters of the same kind(code); those of kind 0 are left out, each of kind `single` is a word.
template <class Kind> PreTokenizerPtr run_cutter(Kind kind, int single) {
  return cutter([kind, single](WordList& list, Word word) {
    int before = 0;
    const char *base = list.text.text.data(), *end = base + word.end;
    for (const char* p = base + word.begin; p < end;) {
      const Utf8Char c = utf8_next(p, end);
      const auto at = static_cast<uint32_t>(p - base), behind = at + static_cast<uint32_t>(c.length);
      p += c.length;
      const int now = kind(c.code);
      if (now != 0 && now == before && now != single)
        list.words.back().end = behind;
      else if (now != 0)
        list.words.push_back({at, behind});
      before = now;
    }
  });
}

// \w+|[^\w\s]+, what is between the matches left out.
PreTokenizerPtr whitespace_pre_tokenizer() {
  return run_cutter(
      [&classes = unicode_classes()](char32_t c) { return classes[c] & kW   ? 1
                                                          : classes[c] & kS ? 0
                                                                            : 2; }, -1);
}

PreTokenizerPtr fixed_length(const json& component, const std::string& source) {
  const auto length = component.value("length", int64_t{5});
  LL_CHECK(length > 0, "{}: the pre_tokenizer FixedLength has the length {}", source, length);
  return cutter([length](WordList& list, Word word) {
    int64_t held = 0;
    const char *base = list.text.text.data(), *end = base + word.end;
    for (const char* p = base + word.begin; p < end;) {
      const auto at = static_cast<uint32_t>(p - base);
      p += utf8_next(p, end).length;
      if (held == 0) list.words.push_back({at, at});
      list.words.back().end = static_cast<uint32_t>(p - base);
      if (++held == length) held = 0;
    }
  });
}

PreTokenizerPtr delimiter(const json& component) {
  const auto text = component.at("delimiter").get<std::string>();
  const char32_t wanted = text.empty() ? 0 : utf8_next(text.data(), text.data() + text.size()).code;
  return character_cutter([wanted](char32_t c) { return c == wanted; }, SplitBehavior::kRemoved);
}

PreTokenizerPtr split_of(const json& component, const std::string& source) {
  const json& pattern = component.at("pattern");
  const bool is_text = pattern.contains("String");
  std::string expression = pattern.at(is_text ? "String" : "Regex").get<std::string>();
  if (is_text) {
    std::string quoted;
    for (const char c : expression) {
      if (std::string_view("\\.+*?()|[]{}^$#&-~ ").find(c) != std::string_view::npos) quoted += '\\';
      quoted += c;
    }
    expression = quoted;
  }
  return split_pre_tokenizer(SplitExpression(expression, source), split_behavior(component, "", source),
                             component.value("invert", false));
}

struct Kind {
  const char* name;
  PreTokenizerPtr (*make)(const json& component, const std::string& source);
};
constexpr Kind kKinds[] = {
    {"ByteLevel",
     [](const json& c, const std::string&) {
       return byte_level_pre_tokenizer(c.value("add_prefix_space", true), c.value("use_regex", true));
     }},
    {"Split", split_of},
    {"Whitespace", [](const json&, const std::string&) { return whitespace_pre_tokenizer(); }},
    {"WhitespaceSplit", [](const json&, const std::string&) { return class_cutter(kS, SplitBehavior::kRemoved); }},
    {"Punctuation",
     [](const json& c, const std::string& s) { return class_cutter(kPunctuation, split_behavior(c, "Isolated", s)); }},
    {"Digits",
     [](const json& c, const std::string&) {
       return class_cutter(kNumeric,
                           c.value("individual_digits", false) ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
     }},
    {"Metaspace",
     [](const json& c, const std::string& s) {
       return metaspace_pre_tokenizer(c.value("replacement", "\u2581"), mark_scheme(c, s), c.value("split", true));
     }},
    {"BertPreTokenizer", [](const json&, const std::string&) { return bert_pre_tokenizer(); }},
    {"CharDelimiterSplit", [](const json& c, const std::string&) { return delimiter(c); }},
    {"FixedLength", fixed_length},
};

}  // namespace

PreTokenizerPtr make_pre_tokenizer(const json& component, const std::string& source) {
  return make_component<PreTokenizerPtr>(kKinds, component, "pre_tokenizer", source);
}

PreTokenizerPtr bert_pre_tokenizer() {
  return run_cutter(
      [&classes = unicode_classes()](char32_t c) { return classes[c] & kS             ? 0
                                                          : classes[c] & kPunctuation ? 2
                                                                                      : 1; },
      2);
}

PreTokenizerPtr split_pre_tokenizer(SplitExpression made, SplitBehavior behavior, bool invert) {
  auto expression = std::make_shared<SplitExpression>(std::move(made));
  return cutter([expression, behavior, invert](WordList& list, Word word) {
    std::vector<Stretch> found;
    ExpressionCursor cursor(*expression, list.view(word), list.expression);
    uint32_t at = word.begin;
    while (const char* p = cursor.next()) {
      const auto end = static_cast<uint32_t>(p - list.text.text.data());
      found.push_back({{at, end}, cursor.is_match() != invert});
      at = end;
    }
    merge_stretches(found, behavior, list.words);
  });
}

SplitBehavior split_behavior(const json& component, const char* usual, const std::string& source) {
  const std::string name = component.value("behavior", std::string(usual));
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  fail("{}: pre_tokenizer {} with behavior '{}' is not reproduced", source, json_type(component), name);
}

MarkScheme mark_scheme(const json& component, const std::string& source) {
  const std::string scheme = json_text(component, "prepend_scheme");
  if (scheme == "never" || component.value("add_prefix_space", true) == false) return MarkScheme::kNever;
  if (scheme.empty() || scheme == "always") return MarkScheme::kAlways;
  if (scheme == "first") return MarkScheme::kFirst;
  fail("{}: Metaspace with prepend_scheme {} is not reproduced", source, scheme);
}

}  // namespace lowland
