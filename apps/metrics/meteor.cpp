#include "apps/metrics/meteor.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <set>

#include "apps/metrics/english_stem.h"

namespace lowland {
namespace {

using Words = std::vector<std::string>;

// METEOR's list for English: the words that are more than a thousandth of a large text.
const std::set<std::string>& function_words() {
  static const std::set<std::string> words = {
      "the",  ",",     ".",    "to",    "of",    "and",   "a",     "in",     "that",  "for",  "\"",   "is",
      "on",   "'s",    "it",   "with",  "was",   "as",    "said",  "at",     "he",    "by",   "be",   "from",
      "have", "has",   "are",  "his",   "but",   "an",    "this",  "not",    "i",     "will", "’",    "they",
      ")",    "-rrb-", "(",    "-lrb-", "who",   "their", "had",   "we",     "which", "were", "been", "more",
      "or",   "s",     "its",  "would", "about", "new",   "one",   "after",  "you",   ":",    "also", "up",
      "when", "there", "than", "$",     "all",   "out",   "her",   "people", "she",   "year", "two",  "-",
      "can",  "if",    "last", "first", "“",     "over",  "other", "”",      "into",  "some", "what", "so",
      "--",   "no",    "time", "years", "could", "?",     "'t",    "—",      "'"};
  return words;
}

constexpr double kContent = 0.75, kStem = 0.6;

double weight_of(const std::string& word) { return function_words().count(word) > 0 ? 1 - kContent : kContent; }

struct Match {
  size_t text, reference;
  bool exact;
};

// A choice of matches for the first words of the reference.
struct Path {
  std::vector<Match> matches;
  std::vector<bool> used;  // words of the text
  int64_t exact = 0, chunks = 0, distance = 0;
  size_t open = 0;  // the word of the text that would go on with the chunk that is open; 0: none is

  void take(const Match& m) {
    exact += m.exact ? 1 : 0;
    if (open != 0 && m.text != open) ++chunks;
    open = m.text + 1;
    matches.push_back(m);
  }
  void close() {
    chunks += open != 0 ? 1 : 0;
    open = 0;
  }
};

void sort_best(std::vector<Path>& paths) {
  constexpr size_t kBeams = 40;
  std::stable_sort(paths.begin(), paths.end(), [](const Path& a, const Path& b) {
    return a.exact != b.exact     ? a.exact > b.exact
           : a.chunks != b.chunks ? a.chunks < b.chunks
                                  : a.distance < b.distance;
  });
  if (paths.size() > kBeams) paths.resize(kBeams);
}

int64_t apart(const Match& m) { return std::abs(static_cast<int64_t>(m.text) - static_cast<int64_t>(m.reference)); }

Path align(const Words& text, const Words& reference) {
  std::vector<std::vector<Match>> may(reference.size());
  std::vector<int64_t> of_text(text.size(), 0);  // how many matches a word may have
  Words stems;
  for (const std::string& word : text) stems.push_back(english_stem(word));
  for (size_t j = 0; j < reference.size(); ++j) {
    const std::string stem = english_stem(reference[j]);
    for (size_t i = 0; i < text.size(); ++i)
      if (text[i] == reference[j]) may[j].push_back({i, j, true});
    for (size_t i = 0; i < text.size(); ++i)
      if (text[i] != reference[j] && stems[i] == stem) may[j].push_back({i, j, false});
    for (const Match& m : may[j]) ++of_text[m.text];
  }
  const auto certain = [&](size_t j) { return may[j].size() == 1 && of_text[may[j][0].text] == 1; };
  std::vector<Path> paths(1);
  paths[0].used.resize(text.size());
  for (size_t j = 0; j < reference.size(); ++j)
    if (certain(j)) paths[0].used[may[j][0].text] = true;
  for (size_t j = 0; j < reference.size(); ++j) {
    sort_best(paths);
    std::vector<Path> next;
    for (Path& path : paths) {
      if (certain(j)) {
        path.distance += apart(may[j][0]);
        path.take(may[j][0]);
        next.push_back(std::move(path));
        continue;
      }
      for (const Match& m : may[j]) {
        if (path.used[m.text]) continue;
        Path& longer = next.emplace_back(path);
        longer.used[m.text] = true;
        longer.take(m);
        path.distance += apart(m);  // as METEOR counts it: for those that come after
      }
      path.close();
      next.push_back(std::move(path));
    }
    paths = std::move(next);
  }
  sort_best(paths);
  for (Path& path : paths) path.close();
  sort_best(paths);
  return std::move(paths.front());
}

}  // namespace

MeteorCounts meteor_counts(const Words& text, const Words& reference) {
  MeteorCounts c;
  for (const std::string& word : text) c.text_words += weight_of(word);
  for (const std::string& word : reference) c.reference_words += weight_of(word);
  const Path path = align(text, reference);
  for (const Match& m : path.matches) {
    const double counts = m.exact ? 1 : kStem;
    c.text_matches += counts * weight_of(text[m.text]);
    c.reference_matches += counts * weight_of(reference[m.reference]);
  }
  c.matches = static_cast<double>(path.matches.size());
  const bool all = path.chunks == 1 && path.matches.size() == text.size() && text.size() == reference.size();
  c.chunks = all ? 0 : static_cast<double>(path.chunks);
  return c;
}

MeteorCounts& MeteorCounts::operator+=(const MeteorCounts& more) {
  text_words += more.text_words;
  reference_words += more.reference_words;
  text_matches += more.text_matches;
  reference_matches += more.reference_matches;
  matches += more.matches;
  chunks += more.chunks;
  return *this;
}

double MeteorCounts::score() const {
  constexpr double kAlpha = 0.85, kBeta = 0.2, kGamma = 0.6;
  if (text_matches == 0 || reference_matches == 0) return 0;
  const double precision = text_matches / text_words, recall = reference_matches / reference_words;
  const double mean = precision * recall / (kAlpha * precision + (1 - kAlpha) * recall);
  return mean * (1 - kGamma * std::pow(chunks / matches, kBeta));
}

}  // namespace lowland
