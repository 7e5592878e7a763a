// ScienceQA as it is published: problems.json, pid_splits.json and a folder of pictures,
// [images/]SPLIT/ID/image.png or [images/]ID/image.png.
// paper: Lu et al. 2022, arXiv:2209.09513. Texts as LLaVA writes them:
//   letter    <image>               of problems with a picture
//             Context: HINT         N/A without a hint
//             Question: Q
//             Options: (A) .. (B) ..
//             Answer with the option's letter from the given choices directly.
//             answer: B
//   lecture   Q
//             Context: HINT
//             Options: (A) .. (B) ..
//             <image>
//             answer: LECTURE SOLUTION The answer is B.
// Choices are what the assistant may say: the letters, or `The answer is B.` In `lecture`, newlines of lecture and
// solution are written \n and two spaces become one.
// Groups: NAT SOC LAN by subject, TXT with a hint, IMG with a picture, NO with neither, G1-6 and G7-12 by grade.
#pragma once
#include <string>
#include <vector>

#include "apps/data/question.h"

namespace lowland {

enum class ScienceQaFormat { letter, lecture };

inline constexpr const char* kScienceQaInstruction = "Answer with the option's letter from the given choices directly.";

struct ScienceQaFolder {
  std::string folder = {};  // of the two JSON files
  std::string images = {};  // of the pictures; empty: the same, or `images` in it
  ScienceQaFormat format = ScienceQaFormat::letter;
  std::string instruction = kScienceQaInstruction;  // of letter
};

// split: train, val, test, minival, minitest, trainval. Error, naming the file and the problem: not there, a missing
// or wrong key, an answer that is not one of the choices.
std::vector<Question> read_scienceqa(const ScienceQaFolder& from, const std::string& split);

}  // namespace lowland
