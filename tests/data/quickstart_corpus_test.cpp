#include <doctest/doctest.h>

#include <set>

#include "apps/quickstart/corpus.h"

using namespace lowland::quickstart;

TEST_CASE("quickstart: balanced, disjoint, the same for a seed, beyond a bag of words") {
  const Corpus corpus = make_corpus(1);
  CHECK(corpus.lines.size() == 40000);
  CHECK(corpus.train.size() == 320);
  REQUIRE(corpus.held_out.size() >= 1000);
  std::set<std::string> clauses;
  int per_label[4] = {};
  for (const auto* split : {&corpus.train, &corpus.held_out}) {
    for (const Example& e : *split) CHECK(clauses.insert(clause_of(e)).second);
  }
  for (const Example& e : corpus.held_out) ++per_label[e.label];
  for (const int n : per_label) CHECK(n == static_cast<int>(corpus.held_out.size() / 4));
  int found = 0;
  for (size_t i = 0; i < corpus.lines.size(); i += 7)
    for (const std::string& clause : clauses) found += corpus.lines[i].find(clause) != std::string::npos ? 1 : 0;
  CHECK(found == 0);
  const Corpus again = make_corpus(1);
  CHECK(again.lines == corpus.lines);
  CHECK(make_corpus(2).lines != corpus.lines);
  const double words = bag_of_words_accuracy(corpus.train, corpus.held_out);
  CHECK(words > 0.15);
  CHECK(words < 0.45);
  const Corpus right = make_corpus(1, {.wrong_percent = 0});
  CHECK(bag_of_words_accuracy(right.train, right.train) > 0.8);  // it does learn what it is shown
}

TEST_CASE("quickstart: three in ten training labels are another world's, the texts and the held-out labels are kept") {
  const Corpus corpus = make_corpus(1), right = make_corpus(1, {.wrong_percent = 0});
  CHECK(corpus.lines == right.lines);
  int wrong = 0;
  for (size_t i = 0; i < corpus.train.size(); ++i) {
    CHECK(corpus.train[i].text == right.train[i].text);
    CHECK(right.train[i].label == static_cast<int>(i % 4));
    wrong += corpus.train[i].label != right.train[i].label ? 1 : 0;
  }
  CHECK(wrong > 70);
  CHECK(wrong < 122);
  for (size_t i = 0; i < corpus.held_out.size(); ++i) CHECK(corpus.held_out[i].label == static_cast<int>(i % 4));
}
