// DeviceLab: proves versions on a GPU, then times them (see README.md).
#pragma once
#include <memory>

#include "kernels/lab/lab.h"

namespace lowland::cuda {
template <int Threads> class DeviceBlock;
}

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

class DeviceLab {
 public:
  static constexpr bool kDevice = true;
  using Real = float;
  template <int Threads> using Block = cuda::DeviceBlock<Threads>;
  template <class T> class Array {
   public:
    explicit Array(int64_t n) : n_(static_cast<size_t>(n)), memory_(n_ * sizeof(T)) { poison(); }
    explicit Array(const std::vector<T>& values) : n_(values.size()), memory_(n_ * sizeof(T)) { upload(values); }
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

  explicit DeviceLab(int runs);  // timed runs of each version. Throws Error without a device.
  ~DeviceLab();
  static bool device_here();
  Ctx& gpu();
  Ctx& cpu();
  int64_t l2_bytes() const;
  // Rows such that reading and writing `bytes_per_row` each moves four times the L2.
  int64_t rows_for(double bytes_per_row) const;
  bool opens(const Experiment&) const { return true; }
  // Proves and times; prints a line for each version.
  void measure(const Experiment& experiment);
  // Defined in device_lab.cuh.
  template <class Body> void launch(int64_t blocks, int64_t shared_bytes, const Body& body);

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

}  // namespace lowland::lab
