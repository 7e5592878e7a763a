#include "apps/metrics/english_stem.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace lowland {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

bool is_vowel(char c) { return std::string_view("aeiouy").find(c) != std::string_view::npos; }  // not Y

// A word under way. Its y's that are consonants are Y; R1 and R2 are what is behind the first consonant that follows a
// vowel, and behind the next such, as places.
struct Word {
  std::string text;
  size_t r1 = 0, r2 = 0;

  bool ends(std::string_view suffix) const { return text.ends_with(suffix); }
  size_t before(std::string_view suffix) const { return text.size() - suffix.size(); }
  bool in_r1(std::string_view suffix) const { return before(suffix) >= r1; }
  bool in_r2(std::string_view suffix) const { return before(suffix) >= r2; }
  void replace(std::string_view suffix, std::string_view by) { text.replace(before(suffix), suffix.size(), by); }
  bool has_vowel_before(size_t end) const { return std::any_of(text.begin(), text.begin() + end, is_vowel); }

  // Vowel and consonant at the end of the first n letters, with a consonant before or as all there is.
  bool short_syllable(size_t n) const {
    if (n == 2) return is_vowel(text[0]) && !is_vowel(text[1]);
    return n > 2 && !is_vowel(text[n - 3]) && is_vowel(text[n - 2]) && !is_vowel(text[n - 1]) &&
           std::string_view("wxY").find(text[n - 1]) == std::string_view::npos;
  }
  bool is_short() const { return r1 >= text.size() && short_syllable(text.size()); }
};

size_t region(const std::string& text, size_t from) {
  for (size_t i = from + 1; i < text.size(); ++i)
    if (is_vowel(text[i - 1]) && !is_vowel(text[i])) return i + 1;
  return text.size();
}

// The longest end of the word among these; null: none.
template <size_t N> const Pair* longest(const Word& w, const Pair (&ends)[N]) {
  const Pair* found = nullptr;
  for (const Pair& p : ends)
    if (w.ends(p.first) && (found == nullptr || p.first.size() > found->first.size())) found = &p;
  return found;
}

template <size_t N> const Pair* same(const std::string& word, const Pair (&words)[N]) {
  const Pair* found = std::find_if(std::begin(words), std::end(words), [&](const Pair& p) { return word == p.first; });
  return found == std::end(words) ? nullptr : found;
}

constexpr Pair kSpecial[] = {{"skis", "ski"},    {"skies", "sky"},  {"dying", "die"},    {"lying", "lie"},
                             {"tying", "tie"},   {"idly", "idl"},   {"gently", "gentl"}, {"ugly", "ugli"},
                             {"early", "earli"}, {"only", "onli"},  {"singly", "singl"}, {"sky", "sky"},
                             {"news", "news"},   {"howe", "howe"},  {"atlas", "atlas"},  {"cosmos", "cosmos"},
                             {"bias", "bias"},   {"andes", "andes"}};
constexpr Pair kAsTheyAre[] = {{"inning", ""},  {"outing", ""},  {"canning", ""}, {"herring", ""},
                               {"earring", ""}, {"proceed", ""}, {"exceed", ""},  {"succeed", ""}};

Word begin(const std::string& word) {
  Word w;
  w.text = word[0] == '\'' ? word.substr(1) : word;
  for (size_t i = 0; i < w.text.size(); ++i)
    if (w.text[i] == 'y' && (i == 0 || is_vowel(w.text[i - 1]))) w.text[i] = 'Y';
  w.r1 = region(w.text, 0);
  for (const std::string_view start : {"gener", "commun", "arsen"})
    if (w.text.starts_with(start)) w.r1 = start.size();
  w.r2 = region(w.text, w.r1);
  return w;
}

void without_plural(Word& w) {
  for (const std::string_view end : {"'s'", "'s", "'"}) {
    if (!w.ends(end)) continue;
    w.replace(end, "");
    break;
  }
  if (w.ends("sses")) {
    w.replace("es", "");
  } else if (w.ends("ied") || w.ends("ies")) {
    w.replace("ies", w.text.size() > 4 ? "i" : "ie");
  } else if (w.ends("s") && !w.ends("us") && !w.ends("ss") && w.text.size() > 2 &&
             w.has_vowel_before(w.text.size() - 2)) {
    w.replace("s", "");
  }
}

void without_tense(Word& w) {
  static constexpr Pair kEnds[] = {{"eedly", ""}, {"ingly", ""}, {"edly", ""}, {"eed", ""}, {"ing", ""}, {"ed", ""}};
  const Pair* end = longest(w, kEnds);
  if (end == nullptr) return;
  if (end->first.starts_with("ee")) {
    if (w.in_r1(end->first)) w.replace(end->first, "ee");
    return;
  }
  if (!w.has_vowel_before(w.before(end->first))) return;
  w.replace(end->first, "");
  const size_t n = w.text.size();
  const bool doubled = n > 1 && w.text[n - 1] == w.text[n - 2] &&
                       std::string_view("bdfgmnprt").find(w.text[n - 1]) != std::string_view::npos;
  if (w.ends("at") || w.ends("bl") || w.ends("iz")) {
    w.text += 'e';
  } else if (doubled) {
    w.text.pop_back();
  } else if (w.is_short()) {
    w.text += 'e';
  }
}

void without_y(Word& w) {
  const size_t n = w.text.size();
  if (n > 2 && (w.ends("y") || w.ends("Y")) && !is_vowel(w.text[n - 2])) w.text.back() = 'i';
}

void second(Word& w) {
  static constexpr Pair kEnds[] = {{"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"},   {"abli", "able"},
                                   {"entli", "ent"},   {"izer", "ize"},    {"ization", "ize"}, {"ational", "ate"},
                                   {"ation", "ate"},   {"ator", "ate"},    {"alism", "al"},    {"aliti", "al"},
                                   {"alli", "al"},     {"fulness", "ful"}, {"ousli", "ous"},   {"ousness", "ous"},
                                   {"iveness", "ive"}, {"iviti", "ive"},   {"biliti", "ble"},  {"bli", "ble"},
                                   {"ogi", "og"},      {"fulli", "ful"},   {"lessli", "less"}, {"li", ""}};
  const Pair* end = longest(w, kEnds);
  if (end == nullptr || !w.in_r1(end->first)) return;
  const char before = w.before(end->first) > 0 ? w.text[w.before(end->first) - 1] : ' ';
  if (end->first == "ogi" && before != 'l') return;
  if (end->first == "li" && std::string_view("cdeghkmnrt").find(before) == std::string_view::npos) return;
  w.replace(end->first, end->second);
}

void third(Word& w) {
  static constexpr Pair kEnds[] = {{"tional", "tion"}, {"ational", "ate"}, {"alize", "al"},
                                   {"icate", "ic"},    {"iciti", "ic"},    {"ical", "ic"},
                                   {"ful", ""},        {"ness", ""},       {"ative", ""}};
  const Pair* end = longest(w, kEnds);
  if (end == nullptr || !w.in_r1(end->first) || (end->first == "ative" && !w.in_r2(end->first))) return;
  w.replace(end->first, end->second);
}

void fourth(Word& w) {
  static constexpr Pair kEnds[] = {{"al", ""},   {"ance", ""}, {"ence", ""},  {"er", ""},   {"ic", ""},  {"able", ""},
                                   {"ible", ""}, {"ant", ""},  {"ement", ""}, {"ment", ""}, {"ent", ""}, {"ism", ""},
                                   {"ate", ""},  {"iti", ""},  {"ous", ""},   {"ive", ""},  {"ize", ""}, {"ion", ""}};
  const Pair* end = longest(w, kEnds);
  if (end == nullptr || !w.in_r2(end->first)) return;
  if (end->first == "ion") {
    const size_t n = w.before(end->first);
    if (n == 0 || (w.text[n - 1] != 's' && w.text[n - 1] != 't')) return;
  }
  w.replace(end->first, "");
}

void fifth(Word& w) {
  const size_t n = w.text.size();
  if (w.ends("e") && (w.in_r2("e") || (w.in_r1("e") && !w.short_syllable(n - 1)))) {
    w.text.pop_back();
  } else if (w.ends("ll") && w.in_r2("l")) {
    w.text.pop_back();
  }
}

}  // namespace

std::string english_stem(const std::string& word) {
  if (word.size() <= 2) return word;
  if (const Pair* special = same(word, kSpecial)) return std::string(special->second);
  Word w = begin(word);
  without_plural(w);
  if (same(w.text, kAsTheyAre) == nullptr) {
    without_tense(w);
    without_y(w);
    second(w);
    third(w);
    fourth(w);
    fifth(w);
  }
  std::replace(w.text.begin(), w.text.end(), 'Y', 'y');
  return w.text;
}

}  // namespace lowland
