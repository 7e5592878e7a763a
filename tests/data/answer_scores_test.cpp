#include "apps/metrics/answer_scores.h"

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/data/temp_folder.h"

using namespace lowland;
using namespace lowland::test;

namespace {

nlohmann::json vqa_golden() {
  std::ifstream file(LL_SOURCE_DIR "/tests/golden/vqa_golden.json");
  return nlohmann::json::parse(file);
}

}  // namespace

TEST_CASE("vqa accuracy: the official evaluation's normalisation and formula") {
  const nlohmann::json golden = vqa_golden();
  REQUIRE(!golden.at("normalised").empty());
  REQUIRE(!golden.at("scored").empty());
  for (const nlohmann::json& pair : golden["normalised"]) {
    const std::string text = pair[0], expected = pair[1];
    INFO(text);
    CHECK(normalise_answer(text) == expected);
  }
  for (const nlohmann::json& c : golden["scored"]) {
    const std::string predicted = c[0];
    const std::vector<std::string> answers = c[1];
    INFO(predicted << " of " << c[1].dump());
    CHECK(vqa_accuracy(predicted, answers) == doctest::Approx(c[2].get<double>()).epsilon(1e-12));
  }
}

TEST_CASE("vqa accuracy: by leaving out each answer in turn") {
  const std::vector<std::string> base{"red", "Red", "red.", "blue", "the blue", "2", "two", "green", "red", "no"};
  for (const char* predicted : {"red", "blue", "2", "green", "white", ""}) {
    double sum = 0;
    for (size_t out = 0; out < base.size(); ++out) {
      int equal = 0;
      for (size_t i = 0; i < base.size(); ++i)
        equal += i != out && normalise_answer(base[i]) == normalise_answer(predicted) ? 1 : 0;
      sum += std::min(equal / 3.0, 1.0);
    }
    CHECK(vqa_accuracy(predicted, base) == doctest::Approx(sum / 10).epsilon(1e-14));
  }
  CHECK(contains(error_of([] { vqa_accuracy("a", std::vector<std::string>{"a"}); }), "at least two people"));
}

TEST_CASE("exact match: spaces at the ends aside") {
  const std::vector<std::string> answers{"yes", " no\n"};
  CHECK(exact_match(" yes ", answers));
  CHECK(exact_match("no", answers));
  CHECK(!exact_match("Yes", answers));
  CHECK(!exact_match("", answers));
}

TEST_CASE("multiple choice: letters as LLaVA reads them, texts, likelihoods") {
  CHECK(choice_by_letter("B", 3) == 1);
  CHECK(choice_by_letter(" B\n", 3) == 1);
  CHECK(choice_by_letter("B.", 3) == 1);
  CHECK(choice_by_letter("B. Louisiana", 3) == 1);
  CHECK(choice_by_letter("(C) Ohio", 3) == 2);
  CHECK(choice_by_letter("North is up. The answer is A.", 3) == 0);
  CHECK(choice_by_letter("The answer is A. No: The answer is B.", 3) == -1);
  CHECK(choice_by_letter("The answer is A", 3) == -1);  // LLaVA asks for one more character
  CHECK(choice_by_letter("D", 3) == -1);
  CHECK(choice_by_letter("The answer is E.", 3) == -1);
  CHECK(choice_by_letter("Because", 3) == -1);
  CHECK(choice_by_letter("b", 3) == -1);
  CHECK(choice_by_letter("", 3) == -1);
  const std::vector<std::string> choices{"a cat", "a dog "};
  CHECK(choice_by_text(" a dog", choices) == 1);
  CHECK(choice_by_text("dog", choices) == -1);
  CHECK(choice_by_likelihood(std::vector<double>{-3, -1, -1}) == 1);
  CHECK(contains(error_of([] { choice_by_likelihood({}); }), "no choice"));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(contains(error_of([&] { choice_by_likelihood(std::vector<double>{0, nan}); }), "not a number"));
}

TEST_CASE("multiple choice: over all, by ScienceQA's groups, and what could not be read") {
  ChoiceScore score;
  CHECK(contains(error_of([&] { score.accuracy(); }), "no question"));
  score.add(0, 0, {"NAT", "TXT", "G1-6"});
  score.add(1, 2, {"NAT", "IMG", "G7-12"});
  score.add(-1, 1, {"LAN", "NO", "G1-6"});
  score.add(3, 3, {"LAN", "own"});
  CHECK(score.unparsed() == 1);
  CHECK(score.accuracy() == 0.5);
  std::string line;
  for (const Metric& m : score.metrics()) line += fmt::format("{} {} ", m.name, *m.value);
  CHECK(line ==
        "accuracy 0.5 accuracy_NAT 0.5 accuracy_LAN 0.5 accuracy_TXT 1 accuracy_IMG 0 accuracy_NO 0 "
        "accuracy_G1-6 0.5 accuracy_G7-12 0 accuracy_own 1 ");
}
