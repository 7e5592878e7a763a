// The text and the task of the quickstart, made here: nothing is downloaded.
//   pre-training text   unlabelled lines of a farm, the sea, a kitchen and music:
//                       "Oar, net, sailor, pier, raft and diver. Emma fetched the tiller at the dock."
//   task                which of the four is a sentence about?  "Emma fetched the oar at the jetty."  -> sea
// The training set uses a quarter of the worlds' words and most held-out examples none of these, so what such a word
// belongs to can only be learnt from the company it keeps in the unlabelled text: a bag of words cannot tell, nor can
// the same network without pretraining. Part of the training labels are wrong, as labels often are: the held-out ones
// are right, so the held-out accuracy tells how much of what is wrong was learnt by heart.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace lowland::quickstart {

struct Example {
  std::string text;
  int label = 0;  // index into worlds()
};

struct Sizes {
  int64_t lines = 40000;  // of the pre-training text
  int64_t train = 320, held_out = 1200;
  int64_t wrong_percent = 30;  // of the training labels
};

struct Corpus {
  std::vector<std::string> lines;        // none contains the clause of a train or held-out example
  std::vector<Example> train, held_out;  // no clause occurs twice; the world of example i is i mod 4
};

// The same seed and sizes give the same corpus on every machine. Throws Error if a size is not positive or more
// examples are asked for than the grammar can make.
Corpus make_corpus(uint64_t seed, const Sizes& sizes = {});

// An example without its opening, its first letter (whose case depends on what is before it) and its full stop: what
// must not occur in the text.
std::string clause_of(const Example& example);

// Accuracy on `held_out` of logistic regression on word counts (lower-cased, L2 penalty 1/2 |w|^2 as scikit-learn's
// default C = 1), trained on `train` to convergence. The quickstart's baseline.
double bag_of_words_accuracy(const std::vector<Example>& train, const std::vector<Example>& held_out);

}  // namespace lowland::quickstart
