#include "apps/metrics/porter_stem.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace lowland {
namespace {

bool is_vowel(char c) { return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u'; }

// Of each letter: y is a consonant at the start and after a vowel.
std::vector<bool> consonants(std::string_view word) {
  std::vector<bool> out;
  for (size_t i = 0; i < word.size(); ++i) out.push_back(word[i] == 'y' ? i == 0 || !out[i - 1] : !is_vowel(word[i]));
  return out;
}

// How often a consonant follows a vowel: m in [C](VC)^m[V].
int64_t measure(std::string_view stem) {
  const std::vector<bool> c = consonants(stem);
  int64_t m = 0;
  for (size_t i = 1; i < c.size(); ++i) m += !c[i - 1] && c[i] ? 1 : 0;
  return m;
}

bool has_vowel(std::string_view stem) {
  const std::vector<bool> c = consonants(stem);
  return std::find(c.begin(), c.end(), false) != c.end();
}

bool ends_double(std::string_view word) {
  const size_t n = word.size();
  return n >= 2 && word[n - 1] == word[n - 2] && consonants(word).back();
}

// Consonant, vowel and consonant, the last not w, x or y; or vowel and consonant alone.
bool ends_short(std::string_view word) {
  const std::vector<bool> c = consonants(word);
  const size_t n = c.size();
  if (n == 2) return !c[0] && c[1];
  const char last = n < 3 ? 'w' : word[n - 1];
  return n >= 3 && c[n - 3] && !c[n - 2] && c[n - 1] && last != 'w' && last != 'x' && last != 'y';
}

struct Rule {
  std::string_view end, instead;
};

// Of the first rule whose end the word has: takes it where the stem's measure is at least `least`.
template <size_t N> std::string by_rules(const std::string& word, const Rule (&rules)[N], int64_t least) {
  for (const Rule& r : rules) {
    if (!word.ends_with(r.end)) continue;
    std::string stem = word.substr(0, word.size() - r.end.size());
    return measure(stem) >= least ? stem + std::string(r.instead) : word;
  }
  return word;
}

std::string cut(const std::string& word, size_t n) { return word.substr(0, word.size() - n); }

std::string without_plural(const std::string& word) {
  if (word.ends_with("ies")) return cut(word, word.size() == 4 ? 1 : 2);
  if (word.ends_with("sses")) return cut(word, 2);
  return word.ends_with("s") && !word.ends_with("ss") ? cut(word, 1) : word;
}

std::string without_tense(const std::string& word) {
  if (word.ends_with("ied")) return cut(word, word.size() == 4 ? 1 : 2);
  if (word.ends_with("eed")) return measure(cut(word, 3)) > 0 ? cut(word, 1) : word;
  const size_t end = word.ends_with("ed") ? 2 : word.ends_with("ing") ? 3 : 0;
  if (end == 0 || !has_vowel(cut(word, end))) return word;
  const std::string stem = cut(word, end);
  if (stem.ends_with("at") || stem.ends_with("bl") || stem.ends_with("iz")) return stem + "e";
  if (ends_double(stem)) {
    const char last = stem.back();
    return last == 'l' || last == 's' || last == 'z' ? stem : cut(stem, 1);
  }
  return measure(stem) == 1 && ends_short(stem) ? stem + "e" : stem;
}

std::string without_y(const std::string& word) {
  if (!word.ends_with("y")) return word;
  const std::string stem = cut(word, 1);
  return stem.size() > 1 && consonants(stem).back() ? stem + "i" : word;
}

constexpr Rule kSecond[] = {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"},
                            {"izer", "ize"},    {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"},
                            {"eli", "e"},       {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
                            {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"}, {"fulness", "ful"},
                            {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"},   {"biliti", "ble"},
                            {"fulli", "ful"}};
constexpr Rule kThird[] = {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"},
                           {"ical", "ic"},  {"ful", ""},   {"ness", ""}};
constexpr Rule kFourth[] = {{"al", ""},   {"ance", ""}, {"ence", ""},  {"er", ""},   {"ic", ""}, {"able", ""},
                            {"ible", ""}, {"ant", ""},  {"ement", ""}, {"ment", ""}, {"ent", ""}};
constexpr Rule kFourthMore[] = {{"ou", ""},  {"ism", ""}, {"ate", ""}, {"iti", ""},
                                {"ous", ""}, {"ive", ""}, {"ize", ""}};

bool ends_in(const std::string& word, const Rule& r) { return word.ends_with(r.end); }

std::string second(const std::string& word) {
  if (word.ends_with("alli") && measure(cut(word, 4)) > 0) return second(cut(word, 2));
  if (std::any_of(std::begin(kSecond), std::end(kSecond), [&](const Rule& r) { return ends_in(word, r); }))
    return by_rules(word, kSecond, 1);
  return word.ends_with("logi") && measure(cut(word, 3)) > 0 ? cut(word, 1) : word;
}

std::string fourth(const std::string& word) {
  if (std::any_of(std::begin(kFourth), std::end(kFourth), [&](const Rule& r) { return ends_in(word, r); }))
    return by_rules(word, kFourth, 2);
  if (!word.ends_with("ion")) return by_rules(word, kFourthMore, 2);
  const std::string stem = cut(word, 3);
  return measure(stem) > 1 && (stem.back() == 's' || stem.back() == 't') ? stem : word;
}

std::string fifth(const std::string& word) {
  std::string out = word;
  if (word.ends_with("e")) {
    const std::string stem = cut(word, 1);
    const int64_t m = measure(stem);
    if (m > 1 || (m == 1 && !ends_short(stem))) out = stem;
  }
  return out.ends_with("ll") && measure(cut(out, 1)) > 1 ? cut(out, 1) : out;
}

constexpr Rule kIrregular[] = {
    {"sky", "sky"},        {"skies", "sky"},       {"dying", "die"},        {"lying", "lie"},
    {"tying", "tie"},      {"news", "news"},       {"innings", "inning"},   {"inning", "inning"},
    {"outings", "outing"}, {"outing", "outing"},   {"cannings", "canning"}, {"canning", "canning"},
    {"howe", "howe"},      {"proceed", "proceed"}, {"exceed", "exceed"},    {"succeed", "succeed"}};

}  // namespace

std::string porter_stem(const std::string& word) {
  for (const Rule& r : kIrregular)
    if (word == r.end) return std::string(r.instead);
  if (word.size() <= 2) return word;
  const std::string base = without_y(without_tense(without_plural(word)));
  return fifth(fourth(by_rules(second(base), kThird, 1)));
}

}  // namespace lowland
