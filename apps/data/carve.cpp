#include <algorithm>
#include <cmath>

#include "apps/data/dataset.h"
#include "apps/data/order.h"
#include "engine/error.h"

namespace lowland {
namespace {

struct Stratum {
  int label;
  std::vector<int64_t> rows;
  int64_t taken;
  double rest;  // what rounding down left out
};

// How many of each stratum go to dev: floors, then the largest remainders until the total is right.
void share_out(std::vector<Stratum>& strata, double fraction, int64_t total) {
  int64_t taken = 0;
  for (Stratum& s : strata) {
    const double exact = fraction * static_cast<double>(s.rows.size());
    s.taken = std::min(static_cast<int64_t>(exact), static_cast<int64_t>(s.rows.size()) - 1);
    s.rest = exact - static_cast<double>(s.taken);
    taken += s.taken;
  }
  std::vector<Stratum*> order;
  for (Stratum& s : strata) order.push_back(&s);
  std::stable_sort(order.begin(), order.end(), [](const Stratum* a, const Stratum* b) { return a->rest > b->rest; });
  for (bool moved = true; moved && taken < total;) {
    moved = false;
    for (Stratum* s : order) {
      if (taken == total || s->taken + 1 >= static_cast<int64_t>(s->rows.size())) continue;
      ++s->taken;
      ++taken;
      moved = true;
    }
  }
}

}  // namespace

Split carve_dev(Split& train, double fraction, uint64_t seed) {
  LL_CHECK(fraction > 0 && fraction < 1, "the dev fraction must be between 0 and 1, got {}", fraction);
  const auto n = static_cast<int64_t>(train.examples.size());
  std::vector<Stratum> strata;
  for (const int64_t row : shuffled(n, seed, 0, OrderStream::carve)) {
    const int label = train.examples[static_cast<size_t>(row)].label;
    auto at =
        std::lower_bound(strata.begin(), strata.end(), label, [](const Stratum& s, int l) { return s.label < l; });
    if (at == strata.end() || at->label != label) at = strata.insert(at, {label, {}, 0, 0});
    at->rows.push_back(row);
  }
  share_out(strata, fraction, std::max<int64_t>(1, std::llround(fraction * static_cast<double>(n))));
  std::vector<bool> to_dev(static_cast<size_t>(n), false);
  for (const Stratum& s : strata) {
    for (int64_t i = 0; i < s.taken; ++i) to_dev[static_cast<size_t>(s.rows[static_cast<size_t>(i)])] = true;
  }
  Split dev;
  dev.file = train.file;
  dev.carved = true;
  std::vector<Example> kept;
  for (size_t row = 0; row < train.examples.size(); ++row) {
    (to_dev[row] ? dev.examples : kept).push_back(std::move(train.examples[row]));
  }
  train.examples = std::move(kept);
  return dev;
}

}  // namespace lowland
