// porter_stem: the stem of an English word, by which METEOR takes `restaurant` and `restaurants` for one. The algorithm
// of Porter 1980 (An algorithm for suffix stripping) with the changes that nltk's PorterStemmer makes by default: some
// irregular words, words of two letters as they are, `ies` and `ied` of four letters, y after a vowel, -alli, -fulli
// and -logi.
#pragma once
#include <string>

namespace lowland {

// word: lower case
std::string porter_stem(const std::string& word);

}  // namespace lowland
