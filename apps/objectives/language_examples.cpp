#include "apps/objectives/language_examples.h"

#include <algorithm>

#include <fmt/format.h>

#include "apps/common/progress.h"
#include "apps/settings/settings.h"

namespace lowland::apps {

int64_t LanguageExample::targets() const { return std::count(learn.begin(), learn.end(), uint8_t{1}); }

int64_t LanguageSplit::targets() const {
  int64_t n = 0;
  for (const LanguageExample& e : examples) n += e.targets();
  return n;
}

void LanguageSplit::add(LanguageExample example) {
  lengths.push_back(static_cast<int32_t>(example.ids.size()));
  examples.push_back(std::move(example));
}

Overlong parse_overlong(const std::string& word) {
  check_word("overlong", word, {"cut", "drop"});
  return word == "cut" ? Overlong::cut : Overlong::drop;
}

bool take_example(LanguageExample e, Overlong overlong, int64_t max_length, LanguageSplit& split) {
  const auto most = static_cast<size_t>(max_length);
  const bool over = e.ids.size() > most;
  if (over && overlong == Overlong::cut) {
    e.ids.resize(most);
    e.learn.resize(most);
  }
  if ((over && overlong == Overlong::drop) || e.targets() == 0) {
    ++split.dropped;
    return false;
  }
  split.cut += over ? 1 : 0;
  split.add(std::move(e));
  return true;
}

void say_split(const char* name, const LanguageSplit& split, int64_t max_length) {
  std::string text = fmt::format("{}: {} examples, {} tokens to learn", name,
                                 thousands(static_cast<int64_t>(split.examples.size())), thousands(split.targets()));
  if (split.cut > 0) text += fmt::format("; {} cut at {} tokens", thousands(split.cut), max_length);
  if (split.dropped > 0)
    text +=
        fmt::format("; {} left out, over {} tokens or without a token to learn", thousands(split.dropped), max_length);
  say(text);
}

std::vector<nn::Segment> segments_of(const LanguageSplit& split, const std::vector<int64_t>& which, int64_t first,
                                     std::vector<int32_t>& targets) {
  std::vector<nn::Segment> segments;
  for (const int64_t i : which) {
    const LanguageExample& e = split.examples[i];
    nn::Segment segment{{e.ids.begin(), e.ids.end() - 1}, first++, {}};
    for (size_t p = 1; p < e.ids.size(); ++p) {
      if (e.learn[p] == 0) continue;
      segment.select.push_back(static_cast<int32_t>(p - 1));
      targets.push_back(e.ids[p]);
    }
    segments.push_back(std::move(segment));
  }
  return segments;
}

}  // namespace lowland::apps
