#include "engine/device/device.h"

#include "engine/device/meta_device.h"
#include "engine/error.h"
#include "kernels/cuda/accelerator.h"

namespace lowland {

std::string Device::name() const {
  if (type == DeviceType::cuda) return fmt::format("cuda:{}", index);
  return type == DeviceType::meta ? "meta" : "cpu";
}

Device device_of(const Accelerator* accelerator) {
  if (accelerator == nullptr) return {};
  return {accelerator->info().meta ? DeviceType::meta : DeviceType::cuda, accelerator->info().index};
}

std::string why_unusable(const Device& device) {
  if (device.type != DeviceType::cuda) return "";
#ifdef LL_CUDA_BACKEND
  return cuda::why_unusable(device.index);
#else
  return "this build of Lowland has no CUDA backend";
#endif
}

std::unique_ptr<Accelerator> make_accelerator(const Device& device) {
  if (device.type == DeviceType::cpu) return nullptr;
  if (device.type == DeviceType::meta) return make_meta_device(nullptr);
  const std::string why = why_unusable(device);
  if (!why.empty()) fail("{}: {}", device.name(), why);
#ifdef LL_CUDA_BACKEND
  return cuda::make_accelerator(device.index);
#else
  return nullptr;
#endif
}

}  // namespace lowland
