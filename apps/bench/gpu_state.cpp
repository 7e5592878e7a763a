#include "apps/bench/gpu_state.h"

#include <dlfcn.h>

#include <string>

#include "kernels/common/accelerator.h"

namespace lowland::apps {
namespace {

// The few functions of NVML that are asked, by their documented C signatures.
class Nvml {
 public:
  Nvml() : library_(dlopen("libnvidia-ml.so.1", RTLD_NOW)) {
    if (library_ == nullptr) return;
    const auto init = find<int (*)()>("nvmlInit_v2");
    ready_ = init != nullptr && init() == 0;
  }
  ~Nvml() {
    if (ready_)
      if (const auto shutdown = find<int (*)()>("nvmlShutdown")) shutdown();
    if (library_ != nullptr) dlclose(library_);
  }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  nlohmann::ordered_json driver() const {
    char text[96] = {};
    const auto ask = find<int (*)(char*, unsigned)>("nvmlSystemGetDriverVersion");
    if (!ready_ || ask == nullptr || ask(text, sizeof text) != 0) return nullptr;
    return std::string(text);
  }
  void* device(unsigned index) const {
    void* handle = nullptr;
    const auto ask = find<int (*)(unsigned, void**)>("nvmlDeviceGetHandleByIndex_v2");
    return ready_ && ask != nullptr && ask(index, &handle) == 0 ? handle : nullptr;
  }
  // A number of a device, divided by `unit`.
  nlohmann::ordered_json number(void* device, const char* function, unsigned unit = 1) const {
    unsigned value = 0;
    const auto ask = find<int (*)(void*, unsigned*)>(function);
    return device != nullptr && ask != nullptr && ask(device, &value) == 0 ? nlohmann::ordered_json(value / unit)
                                                                           : nullptr;
  }
  // The same of a kind of clock or sensor.
  nlohmann::ordered_json number_of(void* device, const char* function, unsigned kind) const {
    unsigned value = 0;
    const auto ask = find<int (*)(void*, unsigned, unsigned*)>(function);
    return device != nullptr && ask != nullptr && ask(device, kind, &value) == 0 ? nlohmann::ordered_json(value)
                                                                                 : nullptr;
  }

 private:
  template <class F> F find(const char* name) const {
    return library_ == nullptr ? nullptr : reinterpret_cast<F>(dlsym(library_, name));
  }
  void* library_;
  bool ready_ = false;
};

}  // namespace

nlohmann::ordered_json gpu_state(const Context& context) {
  const Accelerator* gpu = context.accelerator();
  if (gpu == nullptr) return nullptr;
  const AcceleratorInfo& info = gpu->info();
  constexpr unsigned kSmClock = 1, kMemoryClock = 2, kDieTemperature = 0;
  const Nvml nvml;
  void* device = nvml.device(static_cast<unsigned>(info.index));
  nlohmann::ordered_json o;
  o["name"] = info.name;
  o["sm"] = info.sm;
  o["driver"] = nvml.driver();
  o["cuda_driver"] = info.driver;
  o["cuda_runtime"] = info.runtime;
  o["memory_bytes"] = info.total_bytes;
  o["sm_clock_mhz"] = nvml.number_of(device, "nvmlDeviceGetClockInfo", kSmClock);
  o["sm_clock_max_mhz"] = nvml.number_of(device, "nvmlDeviceGetMaxClockInfo", kSmClock);
  o["memory_clock_mhz"] = nvml.number_of(device, "nvmlDeviceGetClockInfo", kMemoryClock);
  o["power_limit_w"] = nvml.number(device, "nvmlDeviceGetPowerManagementLimit", 1000);
  o["power_w"] = nvml.number(device, "nvmlDeviceGetPowerUsage", 1000);
  o["temperature_c"] = nvml.number_of(device, "nvmlDeviceGetTemperature", kDieTemperature);
  return o;
}

}  // namespace lowland::apps
