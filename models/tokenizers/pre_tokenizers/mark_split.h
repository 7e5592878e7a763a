// Cuts normalized SentencePiece text, in which U+2581 (the mark) stands for a space, into words.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace lowland {

inline constexpr std::string_view kMark = "\xe2\x96\x81";

// The end of the word at p: behind the marks it begins with, and all up to the next mark. REQUIRES p < end.
const char* marked_word_end(const char* p, const char* end);
// The same where each mark begins a word: the split of the Metaspace component.
const char* single_mark_end(const char* p, const char* end);

// Whether merges never cross the end of such a word: no piece has a mark behind another character. Words may
// then be encoded one by one, however the text was to be cut, and the ids are the same.
bool marks_begin_pieces(const std::vector<std::string>& pieces);

}  // namespace lowland
