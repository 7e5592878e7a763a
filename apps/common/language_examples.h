// Examples as a language model reads them, ids and which of them are learnt: what lowland-llama and lowland-vlm train
// on.
#pragma once
#include <cstdint>
#include <vector>

#include "apps/common/settings.h"
#include "nn/rows.h"

namespace lowland::apps {

struct LanguageExample {
  std::vector<int32_t> ids;    // with the tokens in front of a text, and eos behind
  std::vector<uint8_t> learn;  // 1: this id is a target. Never the first
  int64_t targets() const;
};

struct LanguageSplit {
  std::vector<LanguageExample> examples;
  int64_t cut = 0;      // over-long, their end cut off
  int64_t dropped = 0;  // over-long and left out, or without any target in what is left
  int64_t targets() const;
  std::vector<int32_t> lengths() const;
};

// Takes the example into the split: whole, with its end cut off at max_length, or not at all, as settings.overlong
// says. True if it is in.
bool take_example(LanguageExample example, const Settings& settings, int64_t max_length, LanguageSplit& split);

// "train: 37,000 examples, 2,100,000 tokens to learn; 12 cut at 1024 tokens".
void say_split(const char* name, const LanguageSplit& split, int64_t max_length);

// Examples as segments: all tokens but each last one, which is a target only; targets of the selected rows are
// appended. `first`: number of the first example in the step, which random draws depend on.
std::vector<nn::Segment> segments_of(const LanguageSplit& split, const std::vector<int64_t>& which, int64_t first,
                                     std::vector<int32_t>& targets);

// The numbers of the first `count` examples.
std::vector<int64_t> first_examples(const LanguageSplit& split, int64_t count);

// Cuts a list of examples into micro-batches: of at most `tokens` tokens (at least one example each), or where that
// is 0 of `batch_size` examples.
std::vector<std::vector<int64_t>> micro_batches(const LanguageSplit& split, const std::vector<int64_t>& which,
                                                int64_t batch_size, int64_t tokens);

}  // namespace lowland::apps
