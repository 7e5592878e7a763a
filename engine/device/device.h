// Device: what a Context computes on.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "kernels/common/accelerator.h"

namespace lowland {

enum class DeviceType : uint8_t { cpu, cuda, meta };  // meta: only counts (engine/device/meta_device.h)

struct Device {
  DeviceType type = DeviceType::cpu;
  int index = 0;
  std::string name() const;  // "cpu", "cuda:0", "meta"
};

// The device that an accelerator is; the CPU where there is none.
Device device_of(const Accelerator* accelerator);

// Empty if a Context can be made on the device, else why not, in one sentence.
std::string why_unusable(const Device& device);

// Absent for the CPU. Throws Error with that sentence.
std::unique_ptr<Accelerator> make_accelerator(const Device& device);

}  // namespace lowland
