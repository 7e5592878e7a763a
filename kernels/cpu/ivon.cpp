#include "kernels/ivon.h"

#include <cmath>

#include "kernels/common/ivon_rule.h"
#include "kernels/common/normal_pair.h"
#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {

template <class T>
void ivon_sample(Ctx& ctx, T* e, const T* h, int64_t first, int64_t n, const IvonOptions& o,
                 const PhiloxSource& draws) {
  const PhiloxKey key = key_of(draws);
  const T ess = static_cast<T>(o.ess), decay = static_cast<T>(o.decay);
  const int64_t begin_block = first / 4, blocks = (first + n + 3) / 4 - begin_block;
  parallel_for(ctx, blocks, 2048, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin_block + begin; block < begin_block + end; ++block) {
      const PhiloxBlock v = philox(key, static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0);
      const NormalPair<T> front = normal_pair<T>(v.v[0], v.v[1]), back = normal_pair<T>(v.v[2], v.v[3]);
      const T z[4] = {front.x, front.y, back.x, back.y};
      for (int64_t k = 0; k < 4; ++k) {
        const int64_t i = block * 4 + k - first;
        if (i >= 0 && i < n) e[i] = z[k] / std::sqrt(ess * (h[i] + decay));
      }
    }
  });
}

template <class T>
void ivon_step(Ctx& ctx, T* p, T* m, T* h, const T* g, const T* e, int64_t n, const IvonOptions& o,
               const StepScalars* s) {
  if (s->finite == 0) return;
  const IvonFactors<T> k = ivon_factors<T>(o, *s);
  parallel_for(ctx, n, 8192, [&](int64_t begin, int64_t end) {
    if (e == nullptr) {
      for (int64_t i = begin; i < end; ++i) ivon_element(p[i], m[i], h[i], g[i], T(0), k);
    } else {
      for (int64_t i = begin; i < end; ++i) ivon_element(p[i], m[i], h[i], g[i], e[i], k);
    }
  });
}

LL_INSTANTIATE_MASTER(ivon_sample);
LL_INSTANTIATE_MASTER(ivon_step);

}  // namespace lowland::LL_CPU
