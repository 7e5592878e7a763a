// Context: one device with its memory, its threads or stream, and the tape of the computation under way.
// Every tensor knows its Context, so ops need no extra argument and nothing is global. A Context is used by one thread.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "engine/allocator.h"
#include "kernels/common/ctx.h"

namespace lowland {

class Tape;
class OpLog;

enum class DeviceType : uint8_t { cpu, cuda };

struct Device {
  DeviceType type = DeviceType::cpu;
  int index = 0;
  std::string name() const;  // "cpu", "cuda:0"
};

class Context {
 public:
  // threads = 0: all cores the process may use.
  explicit Context(Device device = {}, int threads = 0);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const Device& device() const { return device_; }
  Ctx& kernels() { return kernels_; }
  Allocator& memory() { return *memory_; }
  Tape& tape() { return *tape_; }
  OpLog& op_log() { return *op_log_; }
  int threads() const { return kernels_.threads; }

 private:
  Device device_;
  std::unique_ptr<Allocator> memory_;
  std::unique_ptr<Workspace> workspace_;
  std::unique_ptr<Tape> tape_;
  std::unique_ptr<OpLog> op_log_;
  Ctx kernels_;
};

}  // namespace lowland
