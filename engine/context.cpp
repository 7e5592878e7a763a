#include "engine/context.h"

#include <omp.h>

#include "engine/device/compare.h"
#include "engine/device/device_allocator.h"
#include "engine/device/processor_share.h"
#include "engine/device/workspace.h"
#include "engine/op_log.h"

namespace lowland {

Context::Context(Device device, int threads) : Context(threads, make_accelerator(device)) {}

Context::Context(int threads, std::unique_ptr<Accelerator> accelerator)
    : accelerator_(std::move(accelerator)), device_(device_of(accelerator_.get())) {
  kernels_.backend = detect_cpu_backend();
  kernels_.bf16_products = detect_cpu_bf16() == CpuBf16::native;
  kernels_.threads = threads > 0 ? threads : omp_get_num_procs();
  omp_set_num_threads(kernels_.threads);  // oneDNN and OpenBLAS follow
  if (accelerator_) {
    auto memory = std::make_unique<DeviceAllocator>(*accelerator_);
    device_memory_ = memory.get();
    memory_ = std::move(memory);
    workspace_ = make_device_workspace(*memory_);
    accelerator_->attach(kernels_);
    if (kernels_.observer == nullptr) observer_ = make_compare(*accelerator_, *device_memory_, kernels_);
    if (observer_) kernels_.observer = observer_.get();
  } else {
    if (threads <= 0 && kernels_.threads > 1) share_ = std::make_unique<ProcessorShare>(kernels_.threads);
    memory_ = make_cpu_allocator();
    workspace_ = make_stack_workspace(*memory_);
  }
  kernels_.workspace = workspace_.get();
  op_log_ = std::make_unique<OpLog>(accelerator_.get());
}

Context::~Context() = default;

void Context::keep_threads() {
  share_.reset();
  kernels_.idle = 0;
}

void Context::share_processors() {
  if (share_) kernels_.idle = share_->idle();
}

void Context::wait() const {
  if (accelerator_) accelerator_->wait();
}

}  // namespace lowland
