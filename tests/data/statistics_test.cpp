// The statistics of paired runs against numpy and scipy, and against plain enumeration.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "apps/metrics/statistics.h"
#include "engine/error.h"

using namespace lowland;
using namespace lowland::apps;
using nlohmann::json;

namespace {

json golden() { return json::parse(std::ifstream(LL_SOURCE_DIR "/tests/golden/statistics.json")); }

std::vector<double> normal(size_t n, unsigned seed, double shift = 0) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> draw(shift, 1);
  std::vector<double> x(n);
  for (double& v : x) v = draw(engine);
  return x;
}

// All 2^n choices of signs, one by one.
double enumerated(const std::vector<double>& x) {
  const auto n = static_cast<unsigned>(x.size());
  double seen = 0;
  for (const double v : x) seen += v;
  int64_t far = 0;
  for (uint64_t signs = 0; signs < (uint64_t{1} << n); ++signs) {
    double sum = 0;
    for (unsigned i = 0; i < n; ++i) sum += (signs >> i & 1) != 0 ? -x[i] : x[i];
    far += std::fabs(sum) >= std::fabs(seen) - 1e-12 ? 1 : 0;
  }
  return static_cast<double>(far) / std::ldexp(1.0, static_cast<int>(n));
}

}  // namespace

TEST_CASE("statistics: mean, deviation and permutation test are numpy's and scipy's") {
  int64_t cases = 0;
  const json all = golden();
  for (const json& c : all.at("cases")) {
    const auto x = c.at("x").get<std::vector<double>>();
    CAPTURE(x.size());
    const Summary s = summary_of(x);
    CHECK(s.count == std::ssize(x));
    CHECK(s.mean == doctest::Approx(c.at("mean").get<double>()).epsilon(1e-13));
    CHECK(s.deviation == doctest::Approx(c.value("deviation", 0.0)).epsilon(1e-13));
    CHECK(paired_permutation_test(x) == doctest::Approx(c.at("p").get<double>()).epsilon(1e-14));
    ++cases;
  }
  CHECK(cases == 18);
}

TEST_CASE("statistics: the permutation test is that of all signs, and halves meet at odd sizes too") {
  for (const size_t n : {1, 2, 5, 9, 14, 17}) {
    const std::vector<double> x = normal(n, static_cast<unsigned>(n), 0.4);
    CAPTURE(n);
    CHECK(paired_permutation_test(x) == enumerated(x));
  }
  std::vector<double> ties(13, 0.5);
  ties[3] = ties[7] = -0.5;
  ties[8] = 0;
  CHECK(paired_permutation_test(ties) == enumerated(ties));
  CHECK(paired_permutation_test({}) == 1.0);
}

TEST_CASE("statistics: thirty equal gains are as unlikely as two of 2^30 choices") {
  const std::vector<double> x(30, 0.125);
  CHECK(paired_permutation_test(x) == std::ldexp(1.0, -29));
  CHECK_THROWS_AS(paired_permutation_test(std::vector<double>(41, 1.0)), Error);
}

TEST_CASE("statistics: drawn choices of signs come near the exact test, and are a function of the seed") {
  const std::vector<double> x = normal(12, 3, 0.5);
  const double exact = paired_permutation_test(x), drawn = drawn_permutation_test(x, 40'000, 1);
  CHECK(std::fabs(drawn - exact) < 5 * std::sqrt(exact * (1 - exact) / 40'000) + 1e-4);
  CHECK(drawn == drawn_permutation_test(x, 40'000, 1));
  CHECK(drawn != drawn_permutation_test(x, 40'000, 2));
}

TEST_CASE("statistics: Holm's correction is R's") {
  const json all = golden();
  REQUIRE(all.at("holm").size() == 5);
  for (const json& c : all.at("holm")) {
    const auto adjusted = holm(c.at("p").get<std::vector<double>>());
    const auto wanted = c.at("adjusted").get<std::vector<double>>();
    REQUIRE(adjusted.size() == wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) CHECK(adjusted[i] == doctest::Approx(wanted[i]).epsilon(1e-14));
  }
}

TEST_CASE("statistics: the bootstrap is near that of all resamples, and a function of values and seed") {
  const std::vector<double> x{0.3, -0.1, 1.7, 0.4, 0.9};
  std::vector<double> all;
  for (const double a : x)
    for (const double b : x)
      for (const double c : x)
        for (const double d : x)
          for (const double e : x) all.push_back((a + b + c + d + e) / 5);
  std::sort(all.begin(), all.end());
  const Interval i = bootstrap_mean(x, 0.9, 40'000, 7);
  CHECK(std::fabs(i.low - all[all.size() / 20]) < 0.03);
  CHECK(std::fabs(i.high - all[all.size() - 1 - all.size() / 20]) < 0.03);
  CHECK(bootstrap_mean(x, 0.9, 40'000, 7).low == i.low);
  CHECK(bootstrap_mean(x, 0.5).low > bootstrap_mean(x, 0.95).low);
  CHECK(bootstrap_mean(std::vector<double>{2.5}).high == 2.5);
  CHECK_THROWS_AS(bootstrap_mean({}), Error);
}
