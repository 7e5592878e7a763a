#include "models/tokenizers/pre_tokenizers/mark_split.h"

#include <cstring>

namespace lowland {
namespace {

bool mark_at(const char* p, const char* end) { return end - p >= 3 && std::memcmp(p, kMark.data(), kMark.size()) == 0; }

const char* next_mark(const char* p, const char* end) {
  while (p < end && !mark_at(p, end)) ++p;
  return p;
}

}  // namespace

const char* marked_word_end(const char* p, const char* end) {
  while (mark_at(p, end)) p += kMark.size();
  return next_mark(p, end);
}

const char* single_mark_end(const char* p, const char* end) {
  return next_mark(mark_at(p, end) ? p + kMark.size() : p, end);
}

bool marks_begin_pieces(const std::vector<std::string>& pieces) {
  for (const std::string& piece : pieces) {
    const char *begin = piece.data(), *end = begin + piece.size();
    if (begin < end && marked_word_end(begin, end) != end) return false;
  }
  return true;
}

}  // namespace lowland
