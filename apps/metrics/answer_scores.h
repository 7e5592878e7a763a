// Scores of answers in words.
//   exact_match    equal to one of the answers, spaces at both ends aside
//   vqa_accuracy   of n answers by people: the mean over the n ways to leave one out of min(equal / 3, 1), after
//                  the normalisation of the VQA evaluation (https://github.com/GT-Vision-Lab/VQA, vqaEval.py):
//                  newlines and tabs are spaces; each of ;/[]"{}()=+\_-><@`,?! goes where the text has it beside a
//                  space or has a comma between digits, and is a space otherwise; a full stop goes unless a digit
//                  follows, of the first 32; lower case (ASCII); none and zero to ten become digits; a, an, the go;
//                  contractions get their apostrophe. Answers are normalised even where all people agree.
//   accuracy       share of multiple-choice questions with the right choice, over all (Avg) and by group
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/metrics/metrics.h"

namespace lowland {

std::string normalise_answer(std::string_view text);
// Error: fewer than two answers.
double vqa_accuracy(std::string_view predicted, std::span<const std::string> answers);
bool exact_match(std::string_view predicted, std::span<const std::string> answers);

// The choice that a generated answer names, -1 if none is found among `choices`: a letter, `B`; a letter and more,
// `B. ...`; or the only letter of `The answer is B.`, as LLaVA reads ScienceQA's answers. `(B)` and `B.` are read, too.
int64_t choice_by_letter(std::string_view text, int64_t choices);
// The choice whose text this is, spaces at both ends aside; -1 if there is none.
int64_t choice_by_text(std::string_view text, std::span<const std::string> choices);
// The largest of the log-likelihoods; the first on a tie. Error: none, or NaN.
int64_t choice_by_likelihood(std::span<const double> log_likelihoods);

// Multiple choice over a split.
class ChoiceScore {
 public:
  // chosen: -1 where the answer named none: wrong, and counted. groups: of Question.
  void add(int64_t chosen, int64_t right, const std::vector<std::string>& groups);
  int64_t unparsed() const { return unparsed_; }
  double accuracy() const;
  // accuracy, then accuracy_NAT, ... in the order of ScienceQA's table: NAT SOC LAN TXT IMG NO G1-6 G7-12, those that
  // came up; then groups of other names, sorted.
  std::vector<Metric> metrics() const;

 private:
  struct Count {
    int64_t right = 0, all = 0;
  };
  Count total_;
  std::map<std::string, Count> groups_;
  int64_t unparsed_ = 0;
};

}  // namespace lowland
