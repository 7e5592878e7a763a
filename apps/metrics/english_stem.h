// english_stem: the stem of an English word, by which METEOR takes `restaurant` and `restaurants` for one: the English
// stemmer of Snowball, as METEOR 1.5 and nltk's SnowballStemmer have it. Definition: Porter 2001,
// https://snowballstem.org/algorithms/english/stemmer.html
#pragma once
#include <string>

namespace lowland {

// word: lower case, with ASCII apostrophes
std::string english_stem(const std::string& word);

}  // namespace lowland
