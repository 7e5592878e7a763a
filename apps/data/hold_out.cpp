#include "apps/data/hold_out.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "apps/data/order.h"

namespace lowland {
namespace {

struct Stratum {
  std::vector<int64_t> rows = {};
  int64_t taken = 0;
  double rest = 0;  // what rounding down left out
};

// How many of each stratum go to dev: floors, then the largest remainders until the total is right.
void share_out(std::map<int, Stratum>& strata, double fraction, int64_t total) {
  std::vector<Stratum*> order;
  int64_t taken = 0;
  for (auto& [label, s] : strata) {
    const double exact = fraction * static_cast<double>(s.rows.size());
    s.taken = std::min(static_cast<int64_t>(exact), std::ssize(s.rows) - 1);
    s.rest = exact - static_cast<double>(s.taken);
    taken += s.taken;
    order.push_back(&s);
  }
  std::stable_sort(order.begin(), order.end(), [](const Stratum* a, const Stratum* b) { return a->rest > b->rest; });
  for (bool moved = true; moved && taken < total;) {
    moved = false;
    for (Stratum* s : order) {
      if (taken == total || s->taken + 1 >= std::ssize(s->rows)) continue;
      ++s->taken;
      ++taken;
      moved = true;
    }
  }
}

int64_t share_of(size_t n, double fraction) {
  return std::max<int64_t>(1, std::llround(fraction * static_cast<double>(n)));
}

}  // namespace

std::vector<bool> draw_by_label(std::span<const int> labels, double fraction, uint64_t seed) {
  LL_CHECK(fraction > 0 && fraction < 1, "the dev fraction must be between 0 and 1, got {}", fraction);
  std::map<int, Stratum> strata;
  for (const int64_t row : shuffled(std::ssize(labels), seed, 0, OrderStream::carve))
    strata[labels[row]].rows.push_back(row);
  share_out(strata, fraction, share_of(labels.size(), fraction));
  std::vector<bool> drawn(labels.size(), false);
  for (const auto& [label, s] : strata) {
    for (int64_t i = 0; i < s.taken; ++i) drawn[s.rows[i]] = true;
  }
  return drawn;
}

std::vector<bool> draw_by_group(std::span<const std::string> names, double fraction, uint64_t seed) {
  LL_CHECK(fraction >= 0 && fraction < 1, "--dev-fraction must be in [0, 1), got {}", fraction);
  std::map<std::string, size_t> known;
  std::vector<std::vector<size_t>> groups;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto [at, is_new] = names[i].empty() ? std::pair{known.end(), true} : known.emplace(names[i], groups.size());
    if (is_new) {
      groups.push_back({i});
    } else {
      groups[at->second].push_back(i);
    }
  }
  const int64_t share = share_of(names.size(), fraction), most = fraction == 0 ? 0 : std::ssize(groups) - 1;
  std::vector<bool> drawn(names.size(), false);
  int64_t taken = 0, moved = 0;
  for (const int64_t g : shuffled(std::ssize(groups), seed, 0, OrderStream::carve)) {
    if (taken >= share || moved >= most) break;
    for (const size_t i : groups[g]) drawn[i] = true;
    taken += std::ssize(groups[g]);
    ++moved;
  }
  return drawn;
}

}  // namespace lowland
