// What the lab's experiments are made of. An experiment is a function template over the machine that it runs on:
//   DeviceLab (device_lab.h)  proves each version against the CPU's f32 kernel at the size of a real model, and times
// it
//   HostLab (host_lab.h)      runs each version's blocks on the host at small odd sizes against the CPU's f64 kernel
// A version is one or more launches of bodies over a Block (kernels/cuda/block.h):
//   struct Body {
//     static constexpr int kThreads = 128;
//     template <class Block> LL_HD void operator()(Block& b, uint8_t* shared) const;   shared: at 16-byte boundaries
//   };
//   lab.launch(blocks, shared bytes, Body{...});
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "kernels/common/ctx.h"
#include "kernels/common/difference.h"
#include "kernels/common/philox.h"
#include "kernels/cuda/chunk.h"

namespace lowland::lab {

struct Version {
  std::string name;           // "3 warp per row": its number and what it adds
  std::function<void()> run;  // none: this device has no code for it
};

struct Experiment {
  std::string op;        // "rms_norm forward"
  std::string shape;     // "24576 x 1024 bf16"
  double bytes = 0;      // what any version must move: each input read once, each output written once
  double flops = 0;      // 0: memory is the floor
  double tolerance = 0;  // of error()
  // Before a proof: outputs poisoned, or zero where the contract is +=. After it: the largest error against the CPU.
  std::function<void()> prepare = {};
  std::function<double()> error = {};
  std::vector<Version> versions = {};
};

struct Result {
  std::string op, shape, version;
  double ms = 0, gb_per_s = 0, tflop_per_s = 0, share = 0, error = 0;
  bool proved = false;
};

// Experiments of the sizes of a host's proof: more bytes than these are only told of there.
inline constexpr double kHostBytes = 2e6;

inline int64_t blocks_of(int64_t n, int64_t per_block) { return (n + per_block - 1) / per_block; }
LL_HD inline float at(const bf16* p, int64_t i) { return static_cast<float>(p[i]); }

// Uniform values of standard deviation `scale`, a function of seed and index.
template <class T> std::vector<T> random_values(int64_t n, uint64_t seed, float scale = 1.0f) {
  std::vector<T> values(n);
#pragma omp parallel for
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t bits = mix64(mix64(seed) + i);
    const float u = static_cast<float>(bits >> 40) * 0x1.0p-23f - 1.0f;
    values[i] = static_cast<T>(u * 1.7320508f * scale);
  }
  return values;
}

// As the CPU's kernels take them: Real is Lab::Real.
template <class Real, class T> std::vector<Real> to_real(const std::vector<T>& from) {
  std::vector<Real> to(from.size());
#pragma omp parallel for
  for (int64_t i = 0; i < static_cast<int64_t>(from.size()); ++i)
    to[i] = static_cast<Real>(static_cast<acc_t<T>>(from[i]));
  return to;
}

// The largest |got - want| / max(1, |want|); infinite if anything is not a number or the sizes differ.
template <class T, class Real> double largest_error(const std::vector<T>& got, const std::vector<Real>& want) {
  double worst = got.size() == want.size() ? 0 : INFINITY;
#pragma omp parallel for reduction(max : worst)
  for (int64_t i = 0; i < static_cast<int64_t>(std::min(got.size(), want.size())); ++i) {
    const auto place = static_cast<size_t>(i);
    worst = std::max(worst, relative_distance(static_cast<double>(static_cast<acc_t<T>>(got[place])),
                                              static_cast<double>(want[place])));
  }
  return worst;
}

}  // namespace lowland::lab
