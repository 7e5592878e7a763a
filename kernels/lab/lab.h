// The lab's harness: proves versions of a kernel against the CPU, then times them (see README.md).
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/common/ctx.h"
#include "kernels/common/difference.h"
#include "kernels/common/philox.h"

namespace lowland::lab {

// Memory of the device. Throws Error if there is not enough.
class DeviceMemory {
 public:
  explicit DeviceMemory(size_t bytes);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  void* get() const { return memory_; }
  void upload(const void* from);
  void download(void* to) const;
  void fill(int byte);

 private:
  void* memory_ = nullptr;
  size_t bytes_;
};

template <class T> class DeviceArray {
 public:
  explicit DeviceArray(int64_t n) : n_(static_cast<size_t>(n)), memory_(n_ * sizeof(T)) { poison(); }
  explicit DeviceArray(const std::vector<T>& values) : n_(values.size()), memory_(n_ * sizeof(T)) {
    memory_.upload(values.data());
  }
  T* data() const { return static_cast<T*>(memory_.get()); }
  std::vector<T> download() const {
    std::vector<T> values(n_);
    memory_.download(values.data());
    return values;
  }
  void upload(const std::vector<T>& values) { memory_.upload(values.data()); }  // as many as before
  void poison() { memory_.fill(0xff); }                                         // NaN in every floating-point type
  void clear() { memory_.fill(0); }

 private:
  size_t n_;
  DeviceMemory memory_;
};

struct Version {
  std::string name;  // "3 warp per row": its number and what it adds
  std::function<void(Ctx&)> run;
};

struct Experiment {
  std::string op;                 // "rms_norm forward"
  std::string shape;              // "24576 x 1024 bf16"
  double bytes = 0;               // what any version must move: each input read once, each output written once
  double flops = 0;               // 0: memory is the floor
  std::function<void()> prepare;  // before a proof: outputs poisoned, or zero where the contract is +=
  std::function<double()> error;  // after it: the largest error against the CPU
  double tolerance = 0;
  std::vector<Version> versions;
};

struct Result {
  std::string op, shape, version;
  double ms = 0, gb_per_s = 0, tflop_per_s = 0, share = 0, error = 0;
  bool proved = false;
};

class Lab {
 public:
  explicit Lab(int runs);  // timed runs of each version. Throws Error without a device.
  ~Lab();
  Ctx& gpu();
  Ctx& cpu();
  int64_t l2_bytes() const;
  // Rows such that reading and writing `bytes_per_row` each moves four times the L2.
  int64_t rows_for(double bytes_per_row) const;
  // Proves and times; prints a line for each version.
  void measure(const Experiment& experiment);
  const std::vector<Result>& results() const { return results_; }
  bool all_proved() const;
  // {"device", "l2_bytes", "copy_gb_per_s", "results": [...]}
  void write_json(const std::string& path) const;

 private:
  struct Device;
  double median_ms(const std::function<void()>& run);
  std::unique_ptr<Device> device_;
  int runs_;
  double copy_gb_per_s_ = 0;
  std::vector<Result> results_;
};

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

template <class T> std::vector<float> to_float(const std::vector<T>& from) {
  std::vector<float> to(from.size());
#pragma omp parallel for
  for (int64_t i = 0; i < static_cast<int64_t>(from.size()); ++i) to[i] = static_cast<float>(from[i]);
  return to;
}

// The largest |got - want| / max(1, |want|); infinite if anything is not a number or the sizes differ.
template <class T> double largest_error(const std::vector<T>& got, const std::vector<float>& want) {
  double worst = got.size() == want.size() ? 0 : INFINITY;
#pragma omp parallel for reduction(max : worst)
  for (int64_t i = 0; i < static_cast<int64_t>(std::min(got.size(), want.size())); ++i) {
    const auto at = static_cast<size_t>(i);
    worst = std::max(
        worst, relative_distance(static_cast<double>(static_cast<float>(got[at])), static_cast<double>(want[at])));
  }
  return worst;
}

}  // namespace lowland::lab
