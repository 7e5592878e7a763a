#include "apps/common/workload.h"

namespace lowland::apps {

PackedBatch pack_batch(Context& context, const std::vector<nn::Segment>& segments, std::vector<int32_t> targets) {
  PackedBatch batch;
  batch.rows = nn::pack(context, segments, context.captures_steps() ? nn::Pack::buckets : nn::Pack::exact);
  batch.target_count = static_cast<int64_t>(targets.size());
  targets.resize(static_cast<size_t>(batch.rows.K), -100);
  batch.targets = Tensor::from<int32_t>(context, {batch.rows.K}, targets);
  return batch;
}

}  // namespace lowland::apps
