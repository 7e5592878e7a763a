#include "apps/bench/bench_step.h"

#include <algorithm>

#include "apps/common/trainer.h"
#include "engine/nvtx.h"

namespace lowland::apps {

int64_t bench_step(nn::Model& model, optim::Method& method, const Settings& settings, StepPasses& passes,
                   const PackedBatch& batch, int64_t index) {
  const nvtx::Range range("step");
  const nn::Mode mode{true, 1, static_cast<uint64_t>(index)};
  method.set_step(index, peak_learning_rate(settings), settings.rho);
  passes.run({batch}, mode, true);
  if (method.wants_second_pass()) {
    const PhaseScope phase(model.context().memory(), "ascend");
    method.ascend();
    passes.run({batch}, mode, false);
    method.restore();
  }
  const PhaseScope phase(model.context().memory(), "optimizer");
  method.step();
  model.context().wait();
  return batch.rows.tokens;
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

}  // namespace lowland::apps
