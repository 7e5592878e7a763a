#include "optim/bi_lora.h"

#include <cmath>

#include "engine/error.h"
#include "engine/launch.h"
#include "kernels/bi_lora.h"
#include "nn/init.h"

namespace lowland::optim {
namespace {

nn::Arena& second_pairs(nn::Arena& arena, double rank) {
  LL_CHECK(rank == std::floor(rank), "aux-rank must be a whole number, got {}", rank);
  return arena.want_side([&](const nn::Adapter&) { return static_cast<int64_t>(rank); }, true);
}

}  // namespace

BiLora::BiLora(const MethodRow& row, nn::Arena& arena, const MethodOptions& options)
    : Method(row, arena, options),
      pairs_(second_pairs(arena, options.number("aux-rank"))),
      table_(pairs_),
      norm2_(table_.numbers()),
      rate_(options.number("aux-lr-ratio")) {
  for (const nn::Adapter& a : pairs_.adapters())
    nn::init_uniform(pairs_.master(a.a), 1.0 / std::sqrt(static_cast<double>(a.m)),
                     nn::init_key(options.seed, "auxiliary." + a.a));
}

void BiLora::before_update() {
  const Tensor& x = pairs_.values();
  LL_LAUNCH_MASTER(x, bi_lora_step, x.data<T>(), norm2_.data<double>(), pairs_.grads().data<T>(), x.numel(),
                   table_.table(), rate_, scalars());
}

double BiLora::perturbation_norm() const { return table_.norm_of_all(pairs_.values()); }

}  // namespace lowland::optim
