// Scores of texts that have several references, against e2e-metrics' definitions, METEOR and pycocoevalcap
// (tests/golden/make_e2e_golden.py).
#include "apps/metrics/reference_scores.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/data/e2e.h"
#include "apps/metrics/english_stem.h"
#include "engine/error.h"
#include "tests/data/temp_folder.h"
#include "tests/shared_data.h"

using namespace lowland;
using nlohmann::json;

namespace {

const json& golden() {
  static const json all = json::parse(std::ifstream(LL_SOURCE_DIR "/tests/golden/e2e_scores.json"));
  return all;
}

void check_scores(const ReferenceScores& got, const json& want) {
  const auto close = [&](const char* name, double value) {
    CAPTURE(name);
    CHECK(std::abs(value - want.at(name).get<double>()) <= 1e-9);
  };
  close("bleu", got.bleu());
  close("nist", got.nist());
  close("meteor", got.meteor());
  close("rouge_l", got.rouge_l());
  close("cider", got.cider());
}

}  // namespace

TEST_CASE("texts with several references are scored as e2e-metrics, METEOR and pycocoevalcap do") {
  for (const char* name : {"small", "one"}) {
    CAPTURE(name);
    ReferenceScores scores;
    for (const json& t : golden().at(name).at("texts"))
      scores.add(t.at("text"), t.at("references").get<std::vector<std::string>>());
    check_scores(scores, golden().at(name).at("scores"));
  }
}

TEST_CASE("a text that is its only reference") {
  ReferenceScores scores;
  for (int i = 0; i < 2; ++i)
    scores.add(i == 0 ? "a b c d e f" : "g h i j k l", {i == 0 ? "a b c d e f" : "g h i j k l"});
  CHECK(scores.bleu() == doctest::Approx(100));
  CHECK(scores.rouge_l() == doctest::Approx(1));
  CHECK(scores.meteor() == doctest::Approx(1));
  CHECK(scores.cider() == doctest::Approx(10));
  CHECK(scores.nist() == doctest::Approx(std::log2(12)));  // longer n-grams say nothing new
}

TEST_CASE("stems are Snowball's") {
  const json& stems = golden().at("stems");
  CHECK(stems.size() > 500);
  for (const auto& item : stems.items()) {
    CAPTURE(item.key());
    CHECK(english_stem(item.key()) == item.value().get<std::string>());
  }
}

TEST_CASE("shared: the E2E test set, with texts made of its references, is scored as by the references" *
          doctest::skip(test::lacks("e2e/testset_w_refs.csv"))) {
  std::vector<std::string> meanings;
  std::map<std::string, std::vector<std::string>> sentences;
  for (const LanguageRecord& r : read_e2e((test::shared_data() / "e2e/testset_w_refs.csv").string())) {
    std::vector<std::string>& of = sentences[r.prompt];
    if (of.empty()) meanings.push_back(r.prompt);
    of.push_back(r.completion.substr(1));
  }
  CHECK(static_cast<int>(meanings.size()) == golden().at("e2e").at("meanings"));
  ReferenceScores scores;
  for (size_t k = 0; k < meanings.size(); ++k) {
    std::vector<std::string> references = sentences[meanings[k]];
    const auto at = references.begin() + static_cast<int64_t>(k % references.size());
    std::string text;
    size_t place = 0;
    for (size_t begin = 0; begin <= at->size(); ++place) {  // without the words whose place is 3 beyond a multiple of 7
      const size_t end = std::min(at->find(' ', begin), at->size());
      if (place % 7 != 3) text += (text.empty() && place == 0 ? "" : " ") + at->substr(begin, end - begin);
      begin = end + 1;
    }
    if (references.size() > 1) references.erase(at);
    scores.add(text, references);
  }
  check_scores(scores, golden().at("e2e").at("scores"));
}

TEST_CASE("E2E: lines and tables, and what is neither") {
  const test::TempFolder w;
  std::vector<LanguageRecord> records =
      read_e2e(w.write("a.txt", "name : X | food : Y||A sentence . \n\nname : Z||Another | one .\n"));
  REQUIRE(records.size() == 2);
  CHECK(records[0].prompt == "name : X | food : Y");
  CHECK(records[0].completion == " A sentence .");
  CHECK(records[1].completion == " Another | one .");
  records = read_e2e(w.write("b.csv", "\"mr\",\"ref\"\n\"name[X], food[Y]\",\"A \"\"sentence\"\".\"\n"));
  REQUIRE(records.size() == 1);
  CHECK(records[0].completion == " A \"sentence\".");
  const auto refused = [&](const std::string& text) {
    const std::string file = w.write("c.txt", text);
    return test::error_of([&] { read_e2e(file); }).substr(file.size());
  };
  CHECK(refused("a||b\nno bars\n") == ":2: expected MEANING||SENTENCE");
  CHECK(refused("a|| \n") == ":1: expected a meaning and a sentence");
  CHECK(refused("\n") == " holds no example");
}
