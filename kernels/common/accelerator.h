// Accelerator: what a device that is not the CPU offers beside its kernels: memory, copies, a stream of work in order,
// and work that is captured once and replayed. The GPU's is in kernels/cuda/accelerator.h. Tests have one made of host
// memory (tests/emulator.h), which shows without a GPU that nothing on the host touches device memory.
//
// Everything happens in the order of the calls, later than the call unless it says that it waits. One thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "kernels/common/ctx.h"

namespace lowland {

struct AcceleratorInfo {
  std::string name;             // "NVIDIA H200"
  std::string driver, runtime;  // versions, as CUDA counts them: "13.0"
  int index = 0;
  int sm = 0;  // compute capability, 90 for 9.0
  size_t total_bytes = 0;
  bool has_bf16 = false;   // tensor cores that take bf16
  bool captures = true;    // steps are captured and replayed: batches come in buckets of sizes
  size_t alignment = 256;  // of blocks
  bool meta = false;       // it only counts: no memory, no kernel
};

// A captured sequence of work.
class CapturedWork {
 public:
  virtual ~CapturedWork() = default;
  virtual void launch() = 0;
};

class Accelerator {
 public:
  virtual ~Accelerator() = default;
  virtual const AcceleratorInfo& info() const = 0;
  // Fills in the backend, the stream, the handles and whoever stands between the caller and a kernel.
  virtual void attach(Ctx& ctx) = 0;

  // --- memory. Null if there is none left. Aligned to info().alignment.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* block) = 0;
  virtual size_t held_bytes() const = 0;  // what the driver has set aside for this process's use of allocate()
  virtual void give_back_unused() {}      // of that, what no block uses; waits
  virtual size_t free_bytes() const { return info().total_bytes - held_bytes(); }  // for allocate() to give, about

  // --- copies
  virtual void upload(void* to, const void* from, size_t bytes) = 0;    // `from` may be changed after the call
  virtual void download(void* to, const void* from, size_t bytes) = 0;  // waits
  virtual void copy(void* to, const void* from, size_t bytes) = 0;      // within the device
  virtual void zero(void* to, size_t bytes) = 0;
  virtual void wait() = 0;  // for all work so far

  // --- capture: between the two calls nothing runs. upload, download, wait, allocate and release throw Error there.
  virtual void begin_capture() = 0;
  virtual std::unique_ptr<CapturedWork> end_capture() = 0;
  virtual void abandon_capture() = 0;  // forgets what was captured; never throws
  virtual bool capturing() const = 0;

  // --- time, as the device sees it
  virtual size_t mark() = 0;                              // a number for this point in the order of work
  virtual double ms_between(size_t from, size_t to) = 0;  // waits for `to`
  virtual void clear_marks() = 0;

  virtual void allow_tf32(bool /*on*/) {}  // f32 matrix products may round their inputs to TF32

  // --- profilers: the part of the run that they record (cudaProfilerStart and Stop)
  virtual void profile(bool /*on*/) {}
};

}  // namespace lowland
