// A stretch of a text, in bytes.
#pragma once
#include <cstddef>

namespace lowland {

struct TextRange {
  size_t begin, end;
  bool operator==(const TextRange&) const = default;
};

}  // namespace lowland
