// DeviceCollectives: what several processes do together with the memory of their GPUs. NCCL's is kernels/cuda/nccl.h.
// Calls are launched behind the work before them and do not wait.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/common/dtype.h"

namespace lowland {

class DeviceCollectives {
 public:
  virtual ~DeviceCollectives() = default;
  virtual void all_reduce(void* data, int64_t count, DType dtype) = 0;  // sum
  virtual void broadcast(void* data, int64_t bytes) = 0;                // from process 0

  // Behind the work so far, but beside what is launched next: all (world * bytes, by process) from everybody's mine.
  // Returns its number, from 1; what is launched after finish_gather is behind it.
  virtual uint64_t start_gather(void* all, const void* mine, int64_t bytes) = 0;
  virtual void finish_gather(uint64_t gather) = 0;

  // --- for who watches
  virtual size_t mark() = 0;           // the number of all that was launched together so far
  virtual bool done(size_t mark) = 0;  // by another thread: whether it has ended
  virtual void give_up() = 0;          // by another thread: lets it end, with numbers that mean nothing
};

}  // namespace lowland
