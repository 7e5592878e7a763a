#include "apps/common/language_examples.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "apps/common/progress.h"

namespace lowland::apps {

int64_t LanguageExample::targets() const { return std::count(learn.begin(), learn.end(), uint8_t{1}); }

int64_t LanguageSplit::targets() const {
  int64_t n = 0;
  for (const LanguageExample& e : examples) n += e.targets();
  return n;
}

std::vector<int32_t> LanguageSplit::lengths() const {
  std::vector<int32_t> out;
  for (const LanguageExample& e : examples) out.push_back(static_cast<int32_t>(e.ids.size()));
  return out;
}

bool take_example(LanguageExample e, const Settings& settings, int64_t max_length, LanguageSplit& split) {
  const auto most = static_cast<size_t>(max_length);
  const bool over = e.ids.size() > most;
  if (over && settings.overlong == "drop") {
    ++split.dropped;
    return false;
  }
  if (over) {
    e.ids.resize(most);
    e.learn.resize(most);
  }
  if (e.targets() == 0) {
    ++split.dropped;
    return false;
  }
  split.cut += over ? 1 : 0;
  split.examples.push_back(std::move(e));
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
  for (size_t i = 0; i < which.size(); ++i) {
    const LanguageExample& e = split.examples[static_cast<size_t>(which[i])];
    nn::Segment segment{{e.ids.begin(), e.ids.end() - 1}, first + static_cast<int64_t>(i), {}};
    for (size_t p = 1; p < e.ids.size(); ++p) {
      if (e.learn[p] == 0) continue;
      segment.select.push_back(static_cast<int32_t>(p - 1));
      targets.push_back(e.ids[p]);
    }
    segments.push_back(std::move(segment));
  }
  return segments;
}

std::vector<int64_t> first_examples(const LanguageSplit& split, int64_t count) {
  std::vector<int64_t> which(static_cast<size_t>(std::min(count, static_cast<int64_t>(split.examples.size()))));
  std::iota(which.begin(), which.end(), int64_t{0});
  return which;
}

std::vector<std::vector<int64_t>> micro_batches(const LanguageSplit& split, const std::vector<int64_t>& which,
                                                int64_t batch_size, int64_t tokens) {
  std::vector<std::vector<int64_t>> out;
  int64_t filled = 0;
  for (const int64_t example : which) {
    const auto length = static_cast<int64_t>(split.examples[static_cast<size_t>(example)].ids.size());
    const bool full =
        out.empty() || (tokens > 0 ? filled + length > tokens : static_cast<int64_t>(out.back().size()) == batch_size);
    if (full) {
      out.emplace_back();
      filled = 0;
    }
    out.back().push_back(example);
    filled += length;
  }
  return out;
}

}  // namespace lowland::apps
