// Cuts text into words as this expression of GPT-2 does, which no word of byte-level BPE crosses:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// Written by hand: one look at each byte, no backtracking. tests/tokenizers/gpt2_split_test.cpp proves it
// against PCRE2.
#pragma once

namespace lowland {

class UnicodeClasses;

// The end of the word that starts at p. REQUIRES p < end, valid UTF-8.
const char* gpt2_word_end(const UnicodeClasses& classes, const char* p, const char* end);

}  // namespace lowland
