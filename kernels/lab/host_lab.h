// HostLab: the lab without a device. Experiments of real models are lines of a table: bytes, operations, and the
// microseconds that no GPU goes below. Those of small odd sizes run: every block of every version, shared memory full
// of NaN before each, against the CPU's kernel in f64.
#pragma once
#include <memory>

#include "kernels/cuda/host_mma.h"
#include "kernels/lab/lab.h"

namespace lowland::lab {

class HostLab {
 public:
  static constexpr bool kDevice = false;
  using Real = double;
  template <int Threads> using Block = cuda::HostBlock<Threads>;
  template <class T> class Array {
   public:
    explicit Array(int64_t n) : values_(lines(n)), n_(static_cast<size_t>(n)) { poison(); }
    explicit Array(const std::vector<T>& from) : Array(static_cast<int64_t>(from.size())) { upload(from); }
    T* data() const { return const_cast<T*>(reinterpret_cast<const T*>(values_.data())); }
    std::vector<T> download() const { return {data(), data() + n_}; }
    void upload(const std::vector<T>& from) { std::copy(from.begin(), from.end(), data()); }
    void poison() { fill(0xff); }
    void clear() { fill(0); }

   private:
    struct alignas(64) Line {  // a device's memory begins at a multiple of more
      char bytes[64];
    };
    static size_t lines(int64_t n) { return static_cast<size_t>(n) * sizeof(T) / sizeof(Line) + 1; }
    void fill(int byte) { std::memset(static_cast<void*>(values_.data()), byte, values_.size() * sizeof(Line)); }
    std::vector<Line> values_;
    size_t n_;
  };

  explicit HostLab(bool prints = true);
  ~HostLab();
  Ctx& cpu();
  // As on a GPU with an L2 of 50 MB.
  int64_t rows_for(double bytes_per_row) const;
  // True if it is to be run; else its line is printed.
  bool opens(const Experiment& experiment);
  // Proves; prints a line for each version.
  void measure(const Experiment& experiment);

  template <class Body> void launch(int64_t blocks, int64_t shared_bytes, const Body& body) {
    std::vector<cuda::Vec<uint8_t>> shared(static_cast<size_t>(shared_bytes) / 16 + 1);
    for (int64_t i = 0; i < blocks; ++i) {
      std::memset(static_cast<void*>(shared.data()), 0xff, shared.size() * 16);
      cuda::HostBlock<Body::kThreads> b(i, blocks);
      body(b, shared[0].v);
    }
  }

  const std::vector<Result>& results() const { return results_; }
  bool all_proved() const;
  // {"device": null, "shapes": [...], "results": [...]}
  void write_json(const std::string& path) const;

 private:
  struct Host;
  std::unique_ptr<Host> host_;
  bool prints_;
  std::vector<Experiment> told_;
  std::vector<Result> results_;
};

}  // namespace lowland::lab
