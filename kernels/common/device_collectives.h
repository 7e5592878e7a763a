// DeviceCollectives: what several processes do together with the memory of their GPUs. NCCL's is kernels/cuda/nccl.h.
// Calls are launched behind the work before them and do not wait.
#pragma once
#include <cstdint>

#include "kernels/common/dtype.h"

namespace lowland {

class DeviceCollectives {
 public:
  virtual ~DeviceCollectives() = default;
  virtual void all_reduce(void* data, int64_t count, DType dtype) = 0;  // sum
  virtual void broadcast(void* data, int64_t bytes) = 0;                // from process 0
};

}  // namespace lowland
