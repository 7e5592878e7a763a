#include "apps/bench/random_weights.h"

#include <algorithm>
#include <vector>

#include "apps/families/bench_case.h"
#include "kernels/common/philox.h"
#include "nn/init.h"

namespace lowland::apps {
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

void fill_random(nn::Model& model, double std) {
  constexpr int64_t kDrawn = 1000003;  // a prime: no two rows of a matrix are alike
  std::vector<double> drawn;
  model.arena().touch();
  model.parameters().fill_each([&](nn::Parameter& p) {
    const int64_t n = p.master.numel();
    const Tensor whole = is_blocks(p.master.dtype())
                             ? Tensor::empty(model.context(), p.shape, DType::f32)  // quantised from here
                             : p.master.detach();
    const Tensor t = whole.reshape({n});
    if (p.init == nn::Init::zeros) {
      t.fill_zero();
    } else if (p.init == nn::Init::ones) {
      t.assign(std::vector<double>(n, 1.0));
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
    if (whole.dtype() != p.master.dtype()) p.master.copy_from(whole);
  });
  model.initialise_adapters(1);
}

int32_t bench_token(int64_t step, int64_t sequence, int64_t position, int64_t vocabulary) {
  const uint64_t bits =
      mix64(static_cast<uint64_t>(step * 1000003 + position) ^ (static_cast<uint64_t>(sequence) << 40));
  return static_cast<int32_t>(bits % static_cast<uint64_t>(vocabulary));
}

}  // namespace lowland::apps
