#include "engine/context.h"

#include <omp.h>

#include <vector>

#include "engine/autograd.h"
#include "engine/compare.h"
#include "engine/device_allocator.h"
#include "engine/error.h"
#include "engine/launch.h"
#include "engine/op_scope.h"
#include "kernels/cuda/accelerator.h"

namespace lowland {
namespace {

// A stack of blocks from the device's allocator. A block is kept until the Context ends; a larger request than any free
// block takes a new one, and outgrown blocks are given back as soon as the stack is empty.
class StackWorkspace final : public Workspace {
 public:
  explicit StackWorkspace(Allocator& memory) : memory_(memory) {}
  ~StackWorkspace() override {
    for (const Block& b : blocks_) memory_.release(b.data);
  }
  StackWorkspace(const StackWorkspace&) = delete;
  StackWorkspace& operator=(const StackWorkspace&) = delete;

  void* take(size_t bytes) override {
    bytes = (bytes + 63) / 64 * 64;
    if (blocks_.empty() || blocks_.back().used + bytes > blocks_.back().size) {
      if (used_ == 0 && !blocks_.empty()) {  // the stack is empty: replace the block by a larger one
        memory_.release(blocks_.back().data);
        blocks_.pop_back();
      }
      blocks_.push_back({static_cast<char*>(memory_.allocate(bytes)), bytes, 0});
    }
    Block& b = blocks_.back();
    void* p = b.data + b.used;
    b.used += bytes;
    used_ += bytes;
    return p;
  }
  size_t mark() const override { return used_; }
  void release_to(size_t mark) override {
    while (used_ > mark) {
      Block& b = blocks_.back();
      const size_t n = used_ - mark < b.used ? used_ - mark : b.used;
      b.used -= n;
      used_ -= n;
      if (b.used == 0 && blocks_.size() > 1) {  // keep the larger of the last two
        const Block last = b;
        blocks_.pop_back();
        Block& under = blocks_.back();
        if (under.used == 0 && last.size > under.size) {
          memory_.release(under.data);
          under = last;
        } else {
          memory_.release(last.data);
        }
      }
    }
  }

 private:
  struct Block {
    char* data;
    size_t size, used;
  };
  Allocator& memory_;
  std::vector<Block> blocks_;
  size_t used_ = 0;
};

// Blocks of the device's pool, or of the step arena while a step runs. Work is in the order of the stream, so a block
// that is given back here may be given out again before the kernel that uses it has run.
class DeviceWorkspace final : public Workspace {
 public:
  explicit DeviceWorkspace(Allocator& memory) : memory_(memory) {}
  void* take(size_t bytes) override {
    blocks_.push_back(memory_.allocate(bytes));
    return blocks_.back();
  }
  size_t mark() const override { return blocks_.size(); }
  void release_to(size_t mark) override {
    for (; blocks_.size() > mark; blocks_.pop_back()) memory_.release(blocks_.back());
  }

 private:
  Allocator& memory_;
  std::vector<void*> blocks_;
};

std::unique_ptr<Accelerator> make_accelerator(const Device& device) {
  if (device.type == DeviceType::cpu) return nullptr;
  const std::string why = why_unusable(device);
  if (!why.empty()) fail("{}: {}", device.name(), why);
#ifdef LL_CUDA_BACKEND
  return cuda::make_accelerator(device.index);
#else
  return nullptr;
#endif
}

}  // namespace

std::string Device::name() const { return type == DeviceType::cpu ? "cpu" : fmt::format("cuda:{}", index); }

std::string why_unusable(const Device& device) {
  if (device.type == DeviceType::cpu) return "";
#ifdef LL_CUDA_BACKEND
  return cuda::why_unusable(device.index);
#else
  return "this build of Lowland has no CUDA backend";
#endif
}

Context::Context(Device device, int threads) : Context(threads, make_accelerator(device)) {}

Context::Context(int threads, std::unique_ptr<Accelerator> accelerator) : accelerator_(std::move(accelerator)) {
  kernels_.backend = detect_cpu_backend();
  kernels_.threads = threads > 0 ? threads : omp_get_num_procs();
  omp_set_num_threads(kernels_.threads);  // oneDNN and OpenBLAS follow
  if (accelerator_) {
    device_ = {DeviceType::cuda, accelerator_->info().index};
    auto memory = std::make_unique<DeviceAllocator>(*accelerator_);
    device_memory_ = memory.get();
    memory_ = std::move(memory);
    workspace_ = std::make_unique<DeviceWorkspace>(*memory_);
    accelerator_->attach(kernels_);
    if (kernels_.observer == nullptr) observer_ = make_compare(*accelerator_, *device_memory_, kernels_);
    if (observer_) kernels_.observer = observer_.get();
  } else {
    memory_ = make_cpu_allocator();
    workspace_ = std::make_unique<StackWorkspace>(*memory_);
  }
  kernels_.workspace = workspace_.get();
  tape_ = std::make_unique<Tape>();
  op_log_ = std::make_unique<OpLog>(accelerator_.get());
}

Context::~Context() { tape_->clear(); }

bool Context::captures_steps() const { return accelerator_ && accelerator_->info().captures; }

void Context::wait() const {
  if (accelerator_) accelerator_->wait();
}

}  // namespace lowland
