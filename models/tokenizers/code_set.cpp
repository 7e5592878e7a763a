#include "models/tokenizers/code_set.h"

#include <unicode/uniset.h>

#include <algorithm>

namespace lowland {

void CodeSet::add(char32_t first, char32_t last) {
  const auto before = std::partition_point(ranges_.begin(), ranges_.end(),
                                           [first](const Range& range) { return range.last + 1 < first; });
  const auto behind =
      std::partition_point(before, ranges_.end(), [last](const Range& range) { return range.first <= last + 1; });
  if (before == behind) {
    ranges_.insert(before, {first, last});
    return;
  }
  *before = {std::min(first, before->first), std::max(last, (behind - 1)->last)};
  ranges_.erase(before + 1, behind);
}

void CodeSet::add(const CodeSet& other) {
  for (const Range& range : other.ranges_) add(range.first, range.last);
}

bool CodeSet::contains(char32_t code) const {
  const auto at =
      std::partition_point(ranges_.begin(), ranges_.end(), [code](const Range& range) { return range.last < code; });
  return at != ranges_.end() && at->first <= code;
}

CodeSet CodeSet::complement() const {
  CodeSet out;
  char32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.first > next) out.ranges_.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLast) out.ranges_.push_back({next, kLast});
  return out;
}

CodeSet CodeSet::intersection(const CodeSet& other) const {
  CodeSet neither = complement();
  neither.add(other.complement());
  return neither.complement();
}

CodeSet CodeSet::caseless() const {
  icu::UnicodeSet set;
  for (const Range& range : ranges_) set.add(static_cast<UChar32>(range.first), static_cast<UChar32>(range.last));
  set.closeOver(USET_CASE_INSENSITIVE);
  CodeSet out = *this;
  for (int32_t i = 0; i < set.getRangeCount(); ++i)
    out.add(static_cast<char32_t>(set.getRangeStart(i)), static_cast<char32_t>(set.getRangeEnd(i)));
  return out;
}

}  // namespace lowland
