// Initial values. Each tensor draws from a Philox stream of its own, keyed by seed and name: a value depends neither on
// the order of initialisation nor on what else the model holds, so that every method starts from the same point.
#pragma once
#include <string>

#include "engine/tensor.h"
#include "kernels/common/philox.h"

namespace lowland::nn {

PhiloxKey init_key(uint64_t seed, const std::string& name);
void init_constant(const Tensor& t, double value);
void init_normal(const Tensor& t, double std, PhiloxKey key);     // Box-Muller
void init_uniform(const Tensor& t, double bound, PhiloxKey key);  // in [-bound, bound)

}  // namespace lowland::nn
