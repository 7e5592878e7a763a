#include "apps/train/batch.h"

#include <algorithm>
#include <numeric>

namespace lowland::apps {

PackedBatch pack_batch(Context& context, const std::vector<nn::Segment>& segments, std::vector<int32_t> targets) {
  PackedBatch batch;
  batch.rows = nn::pack(context, segments, context.captures_steps() ? nn::Pack::buckets : nn::Pack::exact);
  batch.target_count = static_cast<int64_t>(targets.size());
  targets.resize(batch.rows.K, -100);
  batch.targets = Tensor::from<int32_t>(context, {batch.rows.K}, targets);
  return batch;
}

int64_t targets_of(const std::vector<PackedBatch>& batches) {
  int64_t n = 0;
  for (const PackedBatch& b : batches) n += b.target_count;
  return n;
}

double weight_of(const std::vector<PackedBatch>& batches) {
  double sum = 0;
  for (const PackedBatch& b : batches) sum += b.weight > 0 ? b.weight : static_cast<double>(b.target_count);
  return sum;
}

std::vector<std::vector<int64_t>> micro_batches(const std::vector<int32_t>& lengths, const std::vector<int64_t>& which,
                                                int64_t batch_size, int64_t tokens) {
  std::vector<std::vector<int64_t>> out;
  int64_t filled = 0;
  for (const int64_t example : which) {
    const int64_t length = lengths[example];
    const bool full =
        out.empty() || (tokens > 0 ? filled + length > tokens : static_cast<int64_t>(out.back().size()) == batch_size);
    if (full) {
      out.emplace_back();
      filled = 0;
    }
    out.back().push_back(example);
    filled += length;
  }
  return out;
}

StepPart part_of(const std::vector<int32_t>& lengths, const std::vector<int64_t>& step, int index, int world) {
  int64_t total = 0;
  for (const int64_t e : step) total += std::max(lengths[e], 1);
  StepPart part;
  int64_t before = 0;
  for (const int64_t e : step) {
    // An example is whose the token in its middle is.
    const int64_t length = std::max(lengths[e], 1), owner = (2 * before + length) * world / (2 * total);
    part.begin += owner < index ? 1 : 0;
    part.end += owner <= index ? 1 : 0;
    before += length;
  }
  return part;
}

std::vector<int64_t> first_examples(int64_t all, int64_t count) {
  std::vector<int64_t> which(std::min(all, count));
  std::iota(which.begin(), which.end(), int64_t{0});
  return which;
}

}  // namespace lowland::apps
