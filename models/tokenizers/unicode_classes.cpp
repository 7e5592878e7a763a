#include "models/tokenizers/unicode_classes.h"

#include <algorithm>
#include <cstddef>
#include <map>

namespace lowland {
namespace {

struct Range {
  UnicodeClass bit;
  char32_t first, last;
};

constexpr Range kRanges[] = {
#include "models/tokenizers/unicode_class_ranges.inc"
};

}  // namespace

UnicodeClasses::UnicodeClasses() {
  std::vector<uint8_t> bits(0x110000, 0);
  for (const Range& range : kRanges) {
    for (char32_t c = range.first; c <= range.last; ++c) bits[c] |= range.bit;
  }
  std::map<Page, uint16_t> known;
  for (std::size_t i = 0; i < page_of_.size(); ++i) {
    Page page;
    std::copy_n(bits.begin() + i * 256, 256, page.begin());
    const auto [it, fresh] = known.try_emplace(page, static_cast<uint16_t>(pages_.size()));
    if (fresh) pages_.push_back(page);
    page_of_[i] = it->second;
  }
}

const UnicodeClasses& unicode_classes() {
  static const UnicodeClasses table;
  return table;
}

}  // namespace lowland
