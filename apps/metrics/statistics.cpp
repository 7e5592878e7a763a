#include "apps/metrics/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/error.h"
#include "kernels/common/philox.h"

namespace lowland::apps {
namespace {

// As numpy's quantile has it. sorted: not empty.
double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

// The sums of the values under all choices of their signs, sorted.
std::vector<double> signed_sums(std::span<const double> values) {
  std::vector<double> sums{0.0};
  sums.reserve(size_t{1} << values.size());
  for (const double v : values) {
    const size_t before = sums.size();
    for (size_t i = 0; i < before; ++i) {
      sums.push_back(sums[i] + v);
      sums[i] -= v;
    }
  }
  std::sort(sums.begin(), sums.end());
  return sums;
}

}  // namespace

Summary summary_of(std::span<const double> values) {
  Summary s{std::ssize(values), 0, 0};
  if (values.empty()) return s;
  const auto n = static_cast<double>(values.size());
  s.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double v : values) squares += (v - s.mean) * (v - s.mean);
  s.deviation = values.size() > 1 ? std::sqrt(squares / (n - 1)) : 0.0;
  return s;
}

Interval bootstrap_mean(std::span<const double> values, double level, int64_t resamples, uint64_t seed) {
  LL_CHECK(!values.empty() && resamples > 0, "a bootstrap needs values and resamples");
  const auto n = static_cast<uint32_t>(values.size());
  std::vector<double> means(resamples);
  for (int64_t r = 0; r < resamples; ++r) {
    const PhiloxKey key = philox_key(seed, static_cast<uint64_t>(r), 0x626f6f74);
    double sum = 0;
    for (uint32_t i = 0; i < n; ++i) sum += values[philox(key, i, 0, 0, 0).v[0] % n];  // bias below n / 2^32
    means[r] = sum / n;
  }
  std::sort(means.begin(), means.end());
  return {quantile(means, (1 - level) / 2), quantile(means, (1 + level) / 2)};
}

double paired_permutation_test(std::span<const double> differences) {
  LL_CHECK(differences.size() <= 40, "an exact permutation test takes at most 40 pairs, not {}", differences.size());
  const double seen = std::fabs(std::accumulate(differences.begin(), differences.end(), 0.0));
  double size = 0;
  for (const double d : differences) size += std::fabs(d);
  const double least = seen - 1e-12 * size;  // sums that are equal but for their rounding count
  const size_t half = differences.size() / 2;
  const std::vector<double> a = signed_sums(differences.first(half)), b = signed_sums(differences.subspan(half));
  // Of each a, the b with a + b >= least: as a grows, there are more of them. By symmetry as many are <= -least.
  double far = 0;
  size_t from = b.size();
  for (const double x : a) {
    while (from > 0 && x + b[from - 1] >= least) --from;
    far += static_cast<double>(b.size() - from);
  }
  const double all = static_cast<double>(a.size()) * static_cast<double>(b.size());
  return least <= 0 ? 1.0 : std::min(1.0, 2 * far / all);
}

double drawn_permutation_test(std::span<const double> differences, int64_t draws, uint64_t seed) {
  const double seen = std::fabs(std::accumulate(differences.begin(), differences.end(), 0.0));
  double size = 0;
  for (const double d : differences) size += std::fabs(d);
  int64_t far = 0;
  for (int64_t draw = 0; draw < draws; ++draw) {
    const PhiloxKey key = philox_key(seed, static_cast<uint64_t>(draw), 0x7369676e73);
    double sum = 0;
    for (size_t i = 0; i < differences.size(); ++i) {
      const bool minus = (philox(key, static_cast<uint32_t>(i), 0, 0, 0).v[0] & 1) != 0;
      sum += minus ? -differences[i] : differences[i];
    }
    far += std::fabs(sum) >= seen - 1e-12 * size ? 1 : 0;
  }
  return static_cast<double>(1 + far) / static_cast<double>(1 + draws);
}

std::vector<double> holm(std::span<const double> p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double least = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    least = std::max(least, p_values[order[rank]] * static_cast<double>(order.size() - rank));
    adjusted[order[rank]] = std::min(1.0, least);
  }
  return adjusted;
}

}  // namespace lowland::apps
