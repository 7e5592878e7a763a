// Scores by class and of texts, against scikit-learn, rouge_score and sacrebleu (tests/golden/make_scores_golden.py).
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/metrics/class_report.h"
#include "apps/metrics/text_scores.h"
#include "apps/report/confusion_page.h"
#include "engine/error.h"

using namespace lowland;
using nlohmann::json;

namespace {

json golden(const char* part) { return json::parse(std::ifstream(LL_SOURCE_DIR "/tests/golden/scores.json")).at(part); }

bool close(double got, const json& want) { return std::abs(got - want.get<double>()) <= 1e-12; }

}  // namespace

TEST_CASE("classes one by one are scored as scikit-learn does") {
  const json cases = golden("reports");
  CHECK(cases.size() == 8);
  for (const json& c : cases) {
    CAPTURE(c.at("name").get<std::string>());
    const auto predicted = c.at("predicted").get<std::vector<int>>(), labels = c.at("labels").get<std::vector<int>>();
    const ClassReport report = class_report(predicted, labels, c.at("classes"));
    CHECK(json(report.confusion) == c.at("confusion"));
    CHECK(close(report.macro_f1, c.at("macro_f1")));
    CHECK(close(report.weighted_f1, c.at("weighted_f1")));
    for (size_t k = 0; k < report.classes.size(); ++k) {
      CHECK(close(report.classes[k].precision, c.at("precision")[k]));
      CHECK(close(report.classes[k].recall, c.at("recall")[k]));
      CHECK(close(report.classes[k].f1, c.at("f1")[k]));
      CHECK(report.classes[k].support == c.at("support")[k]);
    }
  }
  const std::vector<int> two = {0, 1}, three = {0, 1, 2};
  CHECK_THROWS_WITH_AS(class_report(two, three, 3), "2 predictions for 3 labels", Error);
  CHECK_THROWS_WITH_AS(class_report(three, three, 2), "2 is not one of 2 classes", Error);
  CHECK_THROWS_WITH_AS(class_report({}, {}, 2), "there is nothing to score", Error);
}

TEST_CASE("several labels at once are scored as scikit-learn does") {
  const json cases = golden("multi_label");
  CHECK(cases.size() == 5);
  const auto ids = [](const json& rows) {
    std::vector<std::vector<int>> out;
    for (const json& row : rows) {
      out.emplace_back();
      for (size_t k = 0; k < row.size(); ++k)
        if (row[k] == 1) out.back().push_back(static_cast<int>(k));
    }
    return out;
  };
  for (const json& c : cases) {
    CAPTURE(c.at("name").get<std::string>());
    const MultiLabelReport report =
        multi_label_report(ids(c.at("predicted")), ids(c.at("labels")), static_cast<int64_t>(c.at("f1").size()));
    CHECK(close(report.micro_f1, c.at("micro_f1")));
    CHECK(close(report.macro_f1, c.at("macro_f1")));
    CHECK(close(report.weighted_f1, c.at("weighted_f1")));
    CHECK(close(report.subset_accuracy, c.at("subset_accuracy")));
    for (size_t k = 0; k < report.classes.size(); ++k) {
      CHECK(close(report.classes[k].precision, c.at("precision")[k]));
      CHECK(close(report.classes[k].recall, c.at("recall")[k]));
      CHECK(close(report.classes[k].f1, c.at("f1")[k]));
      CHECK(report.classes[k].support == c.at("support")[k]);
    }
  }
  CHECK_THROWS_WITH_AS(multi_label_report({{0}}, {{0}, {1}}, 2), "1 predictions for 2 labels", Error);
  CHECK_THROWS_WITH_AS(multi_label_report({{2}}, {{0}}, 2), "2 is not one of 2 classes", Error);
}

TEST_CASE("a confusion page has each number, and names are no markup") {
  const std::vector<int> predicted = {0, 1, 1, 1}, labels = {0, 0, 1, 1};
  nlohmann::ordered_json scores = class_report(predicted, labels, 2).to_json({"<a>", "b"}, "");
  const std::string page = apps::confusion_page("run", scores);
  CHECK(page.find("1 of 2 &lt;a&gt; are predicted b") != std::string::npos);
  CHECK(page.find("2 of 2 b are predicted b") != std::string::npos);
  CHECK(page.find("<a>") == std::string::npos);
  scores.erase("confusion_matrix");
  CHECK(apps::confusion_page("run", scores).empty());
}

TEST_CASE("texts are cut as sacrebleu's 13a cuts them") {
  for (const json& c : golden("words_13a")) {
    CAPTURE(c.at("text").get<std::string>());
    CHECK(json(words_13a(c.at("text").get<std::string>())) == c.at("words"));
  }
}

TEST_CASE("texts are scored as rouge_score and sacrebleu do") {
  const json cases = golden("corpora");
  CHECK(cases.size() == 12);
  for (const json& c : cases) {
    CAPTURE(c.at("name").get<std::string>());
    TextScores scores;
    double sum = 0;
    for (size_t i = 0; i < c.at("texts").size(); ++i) {
      const std::string text = c.at("texts")[i], wanted = c.at("wanted")[i];
      CHECK(close(rouge_l(text, wanted), c.at("rouge_l")[i]));
      sum += c.at("rouge_l")[i].get<double>();
      scores.add(text, wanted);
    }
    CHECK(close(scores.rouge_l() * static_cast<double>(scores.count()), sum));
    CHECK(std::abs(scores.bleu() - c.at("bleu").get<double>()) <= 1e-10);
  }
  TextScores scores;
  scores.add(" Paris\n", "Paris");
  scores.add("paris", "Paris");
  CHECK(scores.exact_match() == 0.5);
}
