// Examples as a language model reads them, ids and which of them are learnt: what lowland-llama and lowland-vlm train
// on.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "nn/rows.h"

namespace lowland::apps {

struct LanguageExample {
  std::vector<int32_t> ids;    // with the tokens in front of a text, and eos behind
  std::vector<uint8_t> learn;  // 1: this id is a target. Never the first
  int64_t targets() const;
};

struct LanguageSplit {
  std::vector<LanguageExample> examples;
  std::vector<int32_t> lengths;  // of examples, in tokens
  int64_t cut = 0;               // over-long, their end cut off
  int64_t dropped = 0;           // over-long and left out, or without any target in what is left
  int64_t targets() const;
  void add(LanguageExample example);
};

// What becomes of examples that are longer than the longest.
enum class Overlong : uint8_t { cut, drop };
Overlong parse_overlong(const std::string& word);  // Error, naming --overlong

// Takes the example into the split: whole, with its end cut off at max_length, or not at all. True if it is in.
bool take_example(LanguageExample example, Overlong overlong, int64_t max_length, LanguageSplit& split);

// "train: 37,000 examples, 2,100,000 tokens to learn; 12 cut at 1024 tokens".
void say_split(const char* name, const LanguageSplit& split, int64_t max_length);

// Examples as segments: all tokens but each last one, which is a target only; targets of the selected rows are
// appended. `first`: number of the first example in the step, which random draws depend on.
std::vector<nn::Segment> segments_of(const LanguageSplit& split, const std::vector<int64_t>& which, int64_t first,
                                     std::vector<int32_t>& targets);

}  // namespace lowland::apps
