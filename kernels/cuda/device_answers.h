// What CUDA answers when it is asked for a device, and what the user is told. No CUDA header: tests ask it everything.
#pragma once
#include <string>

namespace lowland::cuda {

struct DeviceAnswers {
  int driver = 0, runtime = 0;  // as CUDA counts versions, 13000; driver 0: there is none
  enum class Count { counted, driver_too_old, no_device, failed } answer = Count::counted;
  std::string failure;               // CUDA's own words, where it failed
  int count = 0, index = 0;          // GPUs, and the one that is wanted
  bool answers = true, fits = true;  // the GPU answers; this build has code for it
  std::string name;
  int sm = 0;  // 90 for compute capability 9.0
};

inline std::string version_text(int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); }

// Empty if the device can be used, else one sentence.
inline std::string why_unusable(const DeviceAnswers& a) {
  using Count = DeviceAnswers::Count;
  const std::string device = "cuda:" + std::to_string(a.index), sm = std::to_string(a.sm);
  if (a.driver == 0) return "no NVIDIA driver was found on this machine";
  if (a.answer == Count::driver_too_old)
    return "the NVIDIA driver is for CUDA " + version_text(a.driver) + ", this build needs one for CUDA " +
           version_text(a.runtime) + " or later";
  if (a.answer == Count::failed) return "the GPU cannot be used: " + a.failure;
  if (a.answer == Count::no_device || a.count == 0)
    return "there is a driver but no GPU that it shows (CUDA_VISIBLE_DEVICES may hide it)";
  if (a.index < 0 || a.index >= a.count)
    return "there is no " + device + ": the GPUs are cuda:0 to cuda:" + std::to_string(a.count - 1);
  if (!a.answers) return device + " does not answer";
  if (a.fits) return "";
  return device + " (" + a.name + ", sm_" + sm + ") is a GPU that this build has no kernels for: build with " +
         "-DLOWLAND_CUDA_ARCHITECTURES=" + sm + "-real";
}

}  // namespace lowland::cuda
