#include "apps/bench/bench_step.h"

#include <algorithm>

#include "apps/common/trainer.h"
#include "engine/nvtx.h"
#include "nn/init.h"

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

namespace {

// The first numbers of t, and then copies of them.
void repeat(const Tensor& t, int64_t filled) {
  for (const int64_t n = t.numel(); filled < n;) {
    const int64_t more = std::min(filled, n - filled);
    t.slice_rows(filled, filled + more).copy_from(t.slice_rows(0, more));
    filled += more;
  }
}

}  // namespace

void fill_weights(nn::Model& model, double std) {
  constexpr int64_t kDrawn = 1000003;  // a prime: no two rows of a matrix are alike
  std::vector<double> drawn;
  model.arena().touch();
  for (const auto& p : model.parameters().all()) {
    const int64_t n = p->master.numel();
    const Tensor t = p->master.detach().reshape({n});
    if (p->init == nn::Init::zeros) {
      t.fill_zero();
    } else if (p->init == nn::Init::ones) {
      t.assign(std::vector<double>(static_cast<size_t>(n), 1.0));
    } else {
      if (drawn.empty()) {
        const Tensor normal = Tensor::empty(model.context(), {kDrawn}, DType::f64);
        nn::init_normal(normal, std, nn::init_key(1, "bench"));
        drawn = normal.to_vector<double>();
      }
      const int64_t first = std::min(n, kDrawn);
      t.slice_rows(0, first).assign(std::vector<double>(drawn.begin(), drawn.begin() + first));
      repeat(t, first);
    }
  }
  model.initialise_adapters(1);
}

int32_t bench_token(int64_t step, int64_t sequence, int64_t position, int64_t vocabulary) {
  const uint64_t bits =
      mix64(static_cast<uint64_t>(step * 1000003 + position) ^ (static_cast<uint64_t>(sequence) << 40));
  return static_cast<int32_t>(bits % static_cast<uint64_t>(vocabulary));
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
