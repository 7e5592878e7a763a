// Sets of code points, as sorted ranges.
#pragma once
#include <cstdint>
#include <vector>

namespace lowland {

class CodeSet {
 public:
  struct Range {
    char32_t first, last;
  };
  static constexpr char32_t kLast = 0x10FFFF;

  CodeSet() = default;
  CodeSet(std::initializer_list<Range> ranges) {
    for (const Range& range : ranges) add(range.first, range.last);
  }
  void add(char32_t first, char32_t last);
  void add(const CodeSet& other);
  bool contains(char32_t code) const;
  CodeSet complement() const;
  CodeSet intersection(const CodeSet& other) const;
  // With every character that is equal to one of the set where case is ignored.
  CodeSet caseless() const;
  const std::vector<Range>& ranges() const { return ranges_; }

 private:
  std::vector<Range> ranges_;  // ascending, with gaps between them
};

}  // namespace lowland
