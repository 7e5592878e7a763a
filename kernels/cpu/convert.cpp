#include "kernels/convert.h"

#include "kernels/common/convert_number.h"
#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {
namespace {
constexpr int64_t kGrain = 16384;
}

template <class To, class From> void convert(Ctx& ctx, To* y, const From* x, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = convert_number<To>(x[i]);
  });
}

template <class E> void compute_view(Ctx& ctx, bf16* y, const float* x, const E* e, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = bf16(e == nullptr ? x[i] : x[i] + static_cast<float>(e[i]));
  });
}

LL_CONVERT_PAIRS(LL_INSTANTIATE_PAIR)
LL_INSTANTIATE_VIEW(float)
LL_INSTANTIATE_VIEW(bf16)

}  // namespace lowland::LL_CPU
