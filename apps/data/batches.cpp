#include "apps/data/batches.h"

#include <algorithm>

#include "apps/data/order.h"
#include "engine/error.h"

namespace lowland {
namespace {

constexpr int64_t kMegaBatch = 50;  // steps sorted together

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

BatchPlan::BatchPlan(std::vector<int32_t> lengths, const BatchOptions& options)
    : lengths_(std::move(lengths)), options_(options) {
  LL_CHECK(!lengths_.empty(), "there is no example to train on");
  LL_CHECK(options.batch_size >= 1, "the batch size must be at least 1, got {}", options.batch_size);
  LL_CHECK(options.grad_accum >= 1, "the gradient accumulation must be at least 1, got {}", options.grad_accum);
}

int64_t BatchPlan::steps_per_epoch() const {
  return ceil_div(std::ssize(lengths_), options_.batch_size * options_.grad_accum);
}

int64_t BatchPlan::micro_batches_per_epoch() const {
  // Full steps hold grad_accum micro-batches, so the short one at the end is the only one that rounds up.
  return ceil_div(std::ssize(lengths_), options_.batch_size);
}

std::vector<int64_t> BatchPlan::order(int64_t epoch) const {
  const auto n = std::ssize(lengths_);
  const auto e = static_cast<uint64_t>(epoch);
  const int64_t step = options_.batch_size * options_.grad_accum, full = n / step;
  std::vector<int64_t> drawn = shuffled(n, options_.seed, e, OrderStream::examples);
  if (!options_.group_by_length) return drawn;
  const auto shorter = [&](int64_t a, int64_t b) { return lengths_[a] < lengths_[b]; };
  for (int64_t begin = 0; begin < n; begin += kMegaBatch * step) {
    const int64_t end = std::min(begin + kMegaBatch * step, full * step);
    if (begin < end) std::stable_sort(drawn.begin() + begin, drawn.begin() + end, shorter);
  }
  std::stable_sort(drawn.begin() + full * step, drawn.end(), shorter);
  std::vector<int64_t> out;
  out.reserve(drawn.size());
  for (const int64_t s : shuffled(full, options_.seed, e, OrderStream::steps)) {
    out.insert(out.end(), drawn.begin() + s * step, drawn.begin() + (s + 1) * step);
  }
  out.insert(out.end(), drawn.begin() + full * step, drawn.end());
  return out;
}

std::vector<MicroBatch> BatchPlan::epoch(int64_t epoch) const {
  LL_CHECK(epoch >= 0, "an epoch is counted from 0, got {}", epoch);
  const std::vector<int64_t> examples = order(epoch);
  const auto n = std::ssize(examples);
  std::vector<MicroBatch> batches;
  for (int64_t begin = 0; begin < n; begin += options_.batch_size) {
    const int64_t end = std::min(begin + options_.batch_size, n);
    const int64_t step = begin / (options_.batch_size * options_.grad_accum);
    const bool last = end == n || end % (options_.batch_size * options_.grad_accum) == 0;
    batches.push_back({step, last, {examples.begin() + begin, examples.begin() + end}});
  }
  return batches;
}

std::vector<std::vector<int64_t>> BatchPlan::largest_step(int64_t steps, const Cut& cut, const Size& size) const {
  constexpr int64_t kEpochs = 3;
  std::vector<std::vector<int64_t>> largest, step;
  int64_t most = -1, done = 0;
  const auto finish = [&] {
    if (cut) {
      std::vector<int64_t> all;
      for (const auto& which : step) all.insert(all.end(), which.begin(), which.end());
      step = cut(all);
    }
    for (const auto& which : step) {
      int64_t large = size ? size(which) : 0;
      if (!size)
        for (const int64_t e : which) large += lengths_[e];
      if (large <= most) continue;
      most = large;
      largest = step;
    }
    step.clear();
    ++done;
  };
  for (int64_t e = 0; e < kEpochs && done < steps; ++e)
    for (MicroBatch& m : epoch(e)) {
      step.push_back(std::move(m.examples));
      if (m.last_of_step && done < steps) finish();
    }
  return largest;
}

std::vector<std::vector<int64_t>> BatchPlan::in_order(int64_t n, int64_t batch_size) {
  LL_CHECK(batch_size >= 1, "the batch size must be at least 1, got {}", batch_size);
  std::vector<std::vector<int64_t>> batches;
  for (int64_t begin = 0; begin < n; begin += batch_size) {
    std::vector<int64_t>& batch = batches.emplace_back();
    for (int64_t i = begin; i < std::min(begin + batch_size, n); ++i) batch.push_back(i);
  }
  return batches;
}

const std::vector<int64_t>& StepPlan::examples(int64_t step) {
  const int64_t epoch = step / steps_per_epoch();
  if (epoch != epoch_) {
    steps_.assign(steps_per_epoch(), {});
    for (const MicroBatch& m : plan_.epoch(epoch)) {
      std::vector<int64_t>& all = steps_[m.step];
      all.insert(all.end(), m.examples.begin(), m.examples.end());
    }
    epoch_ = epoch;
  }
  return steps_[step % steps_per_epoch()];
}

}  // namespace lowland
