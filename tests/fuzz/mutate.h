// Damage to texts and binaries.
#pragma once
#include <algorithm>
#include <random>
#include <string>

namespace lowland {

// One to four changes between the bytes `from` and `to`.
inline std::string mutate(std::string text, std::mt19937& random, size_t from, size_t to) {
  static const std::string alphabet = "0123456789-+.eE{}[]\",: \\ntrufalse\x01\x7f\xff";
  const int changes = 1 + static_cast<int>(random() % 4);
  for (int i = 0; i < changes && to > from; ++i) {
    const size_t at = from + random() % (to - from);
    switch (random() % 4) {
      case 0: text[at] = static_cast<char>(random()); break;
      case 1: text[at] = alphabet[random() % alphabet.size()]; break;
      case 2: text.erase(at, 1 + random() % 3), to = std::min(to, text.size()); break;
      default: text.insert(at, 1, alphabet[random() % alphabet.size()]); break;
    }
  }
  return text;
}

}  // namespace lowland
