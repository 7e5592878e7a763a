// Context: one device with its memory, its threads or stream, and the tape of the computation under way.
// Every tensor knows its Context, so ops need no extra argument and nothing is global. A Context is used by one thread.
#pragma once
#include <memory>

#include "engine/device/allocator.h"
#include "engine/device/device.h"
#include "kernels/common/ctx.h"

namespace lowland {

class DeviceAllocator;
class OpLog;
class ProcessorShare;
class Tape;

class Context {
 public:
  // threads = 0: all cores the process may use, less those that other programs use. Throws Error with
  // one sentence where the GPU cannot be used.
  explicit Context(Device device = {}, int threads = 0);
  // Over any accelerator; the GPU's is what the other constructor makes.
  Context(int threads, std::unique_ptr<Accelerator> accelerator);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const Device& device() const { return device_; }
  bool on_cpu() const { return device_.type == DeviceType::cpu; }
  // Steps are captured and replayed: batches are to come in buckets of sizes (nn/rows.h).
  bool captures_steps() const { return accelerator_ && accelerator_->info().captures; }
  Ctx& kernels() { return kernels_; }
  Allocator& memory() { return *memory_; }
  Tape& tape();  // made when it is first asked for, in engine/autograd.cpp
  OpLog& op_log() { return *op_log_; }
  int threads() const { return kernels_.threads; }
  // Between two ops: how many of the threads run is chosen anew, where nobody has said how many there are to be.
  void share_processors();
  void keep_threads();  // all of them run from here on

  // Absent on the CPU.
  Accelerator* accelerator() const { return accelerator_.get(); }
  DeviceAllocator* device_memory() const { return device_memory_; }
  // Until everything launched so far has run. Errors of kernels are thrown here at the latest.
  void wait() const;

 private:
  std::unique_ptr<Accelerator> accelerator_;
  Device device_;
  std::unique_ptr<Allocator> memory_;
  DeviceAllocator* device_memory_ = nullptr;  // memory_, on an accelerator
  std::unique_ptr<Workspace> workspace_;
  std::unique_ptr<OpLog> op_log_;
  std::unique_ptr<ProcessorShare> share_;  // absent where the number of threads was given
  std::unique_ptr<LaunchObserver> observer_;
  Ctx kernels_;
  std::shared_ptr<Tape> tape_;  // goes first: it holds tensors of memory_
};

}  // namespace lowland
