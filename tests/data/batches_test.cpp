#include "apps/data/batches.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/data/temp_folder.h"

using namespace lowland;
using namespace lowland::test;

namespace {

std::vector<int32_t> some_lengths(int64_t n) {
  std::vector<int32_t> lengths;
  for (int64_t i = 0; i < n; ++i) lengths.push_back(static_cast<int32_t>(3 + (i * 7919) % 97));
  return lengths;
}

std::vector<int64_t> flat(const std::vector<MicroBatch>& batches) {
  std::vector<int64_t> all;
  for (const MicroBatch& batch : batches) all.insert(all.end(), batch.examples.begin(), batch.examples.end());
  return all;
}

// Examples of each step, in order of the steps.
std::vector<std::set<int64_t>> steps(const std::vector<MicroBatch>& batches) {
  std::vector<std::set<int64_t>> all;
  for (const MicroBatch& batch : batches) {
    if (batch.step == std::ssize(all)) all.emplace_back();
    all.back().insert(batch.examples.begin(), batch.examples.end());
  }
  return all;
}

}  // namespace

TEST_CASE("batches: every example once, sizes and marks right") {
  for (const int64_t n : {1, 31, 32, 33, 257, 5000}) {
    for (const auto& [batch, accum] : {std::pair<int64_t, int64_t>{1, 1}, {32, 1}, {8, 4}, {7, 3}, {6000, 1}}) {
      const BatchPlan plan(some_lengths(n), {.batch_size = batch, .grad_accum = accum});
      const std::vector<MicroBatch> epoch = plan.epoch(3);
      CHECK(std::ssize(epoch) == plan.micro_batches_per_epoch());
      std::vector<int64_t> all = flat(epoch);
      std::sort(all.begin(), all.end());
      bool permutation = std::ssize(all) == n;
      for (size_t i = 0; permutation && i < all.size(); ++i) permutation = all[i] == static_cast<int64_t>(i);
      CHECK(permutation);
      int64_t ends = 0, in_step = 0;
      for (const MicroBatch& micro : epoch) {
        const bool last = &micro == &epoch.back();
        CHECK(micro.step == ends);
        CHECK((std::ssize(micro.examples) == batch || last));
        ++in_step;
        CHECK(micro.last_of_step == (in_step == accum || last));
        if (micro.last_of_step) ++ends, in_step = 0;
      }
      CHECK(ends == plan.steps_per_epoch());
    }
  }
}

TEST_CASE("batches: a function of seed and epoch") {
  const BatchPlan plan(some_lengths(300), {.seed = 5}), same(some_lengths(300), {.seed = 5}),
      other(some_lengths(300), {.seed = 6});
  CHECK(flat(plan.epoch(0)) == flat(same.epoch(0)));
  CHECK(flat(plan.epoch(1)) == flat(same.epoch(1)));
  CHECK(flat(plan.epoch(0)) != flat(plan.epoch(1)));
  CHECK(flat(plan.epoch(0)) != flat(other.epoch(0)));
}

TEST_CASE("batches: a step holds the same examples however it is cut") {
  const BatchPlan whole(some_lengths(1000), {.batch_size = 32}),
      cut(some_lengths(1000), {.batch_size = 8, .grad_accum = 4});
  CHECK(steps(whole.epoch(2)) == steps(cut.epoch(2)));
}

TEST_CASE("batches: grouping narrows the lengths of a batch, not the order of steps") {
  const std::vector<int32_t> lengths = some_lengths(3200);
  const auto spread = [&](bool group) {
    double sum = 0;
    for (const MicroBatch& micro : BatchPlan(lengths, {.group_by_length = group}).epoch(0)) {
      int32_t low = 1000, high = 0;
      for (const int64_t i : micro.examples) {
        low = std::min(low, lengths[i]);
        high = std::max(high, lengths[i]);
      }
      sum += high - low;
    }
    return sum / 100;
  };
  CHECK(spread(true) < 8);
  CHECK(spread(false) > 80);
  std::vector<int32_t> first_of_steps;
  for (const MicroBatch& micro : BatchPlan(lengths, {}).epoch(0)) first_of_steps.push_back(lengths[micro.examples[0]]);
  CHECK_FALSE(std::is_sorted(first_of_steps.begin(), first_of_steps.begin() + 50));
}

TEST_CASE("batches: evaluation in file order, bad options") {
  const auto batches = BatchPlan::in_order(5, 2);
  CHECK(batches == std::vector<std::vector<int64_t>>{{0, 1}, {2, 3}, {4}});
  CHECK(contains(error_of([] { BatchPlan({}, {}); }), "no example to train on"));
  CHECK(contains(error_of([] { BatchPlan({1}, {.batch_size = 0}); }), "the batch size must be at least 1, got 0"));
  CHECK(contains(error_of([] { BatchPlan({1}, {.grad_accum = 0}); }), "accumulation must be at least 1, got 0"));
}
