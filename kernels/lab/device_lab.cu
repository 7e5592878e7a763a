#include "kernels/lab/device_lab.h"

#include <omp.h>

#include <cstdio>
#include <cstdlib>

#include "kernels/common/error.h"
#include "kernels/cuda/chunk.h"
#include "kernels/cuda/launch.cuh"

namespace lowland::lab {
namespace {

constexpr size_t kScratchBytes = size_t{512} << 20;

// A stack over one block of memory.
class StackWorkspace : public Workspace {
 public:
  StackWorkspace(void* memory, size_t bytes) : memory_(static_cast<char*>(memory)), bytes_(bytes) {}
  void* take(size_t bytes) override {
    const size_t at = used_;
    used_ += (bytes + 255) / 256 * 256;
    if (used_ > bytes_) fail("[lab] a kernel wants more scratch memory than the lab's " + std::to_string(bytes_));
    return memory_ + at;
  }
  size_t mark() const override { return used_; }
  void release_to(size_t mark) override { used_ = mark; }

 private:
  char* memory_;
  size_t bytes_, used_ = 0;
};

using Word = cuda::Chunk<float, 4>;

__global__ void copy_kernel(Word* to, const Word* from, int64_t n) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) to[i] = from[i];
}

// Reads everything, so that the L2 holds clean lines of no interest. The store never happens.
__global__ void read_kernel(float* never, const Word* from, int64_t n) {
  float sum = 0;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += int64_t{gridDim.x} * blockDim.x)
    sum += from[i].v[0];
  if (sum == 1.5f) *never = sum;
}

}  // namespace

DeviceMemory::DeviceMemory(size_t bytes) : bytes_(bytes) { LL_CUDA(cudaMalloc(&memory_, bytes > 0 ? bytes : 1)); }
DeviceMemory::~DeviceMemory() { cudaFree(memory_); }
void DeviceMemory::upload(const void* from) { LL_CUDA(cudaMemcpy(memory_, from, bytes_, cudaMemcpyHostToDevice)); }
void DeviceMemory::download(void* to) const { LL_CUDA(cudaMemcpy(to, memory_, bytes_, cudaMemcpyDeviceToHost)); }
void DeviceMemory::fill(int byte) { LL_CUDA(cudaMemset(memory_, byte, bytes_)); }

struct DeviceLab::Device {
  cudaDeviceProp properties{};
  cudaStream_t stream = nullptr;
  cudaEvent_t begin = nullptr, end = nullptr;
  DeviceMemory scratch{kScratchBytes};
  std::vector<char> cpu_scratch = std::vector<char>(kScratchBytes);
  StackWorkspace gpu_workspace{scratch.get(), kScratchBytes}, cpu_workspace{cpu_scratch.data(), kScratchBytes};
  std::unique_ptr<DeviceMemory> flushed;
  Ctx gpu, cpu;

  Device() {
    int index = 0;
    LL_CUDA(cudaGetDevice(&index));
    LL_CUDA(cudaGetDeviceProperties(&properties, index));
    LL_CUDA(cudaStreamCreate(&stream));
    LL_CUDA(cudaEventCreate(&begin));
    LL_CUDA(cudaEventCreate(&end));
    flushed = std::make_unique<DeviceMemory>(size_t{4} * properties.l2CacheSize);
    flushed->fill(0);
    gpu.backend = Backend::cuda;
    gpu.workspace = &gpu_workspace;
    gpu.stream = stream;
    cpu.backend = detect_cpu_backend();
    cpu.threads = omp_get_max_threads();
    cpu.workspace = &cpu_workspace;
  }
  ~Device() {
    cudaEventDestroy(end);
    cudaEventDestroy(begin);
    cudaStreamDestroy(stream);
  }
  void flush() {
    const auto words = static_cast<int64_t>(size_t{4} * properties.l2CacheSize / sizeof(Word));
    LL_CUDA_LAUNCH(gpu, 1024, 256, 0, read_kernel, static_cast<float*>(scratch.get()),
                   static_cast<const Word*>(flushed->get()), words);
  }
};

bool DeviceLab::device_here() {
  int devices = 0;
  return cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0;
}

DeviceLab::DeviceLab(int runs) : runs_(runs) {
  if (!device_here()) fail("[lab] there is no CUDA device");
  device_ = std::make_unique<Device>();
  const int64_t bytes = 2 * l2_bytes(), words = bytes / static_cast<int64_t>(sizeof(Word));
  DeviceMemory from(bytes), to(bytes);
  from.fill(1);
  const double own = median_ms([&] {
    LL_CUDA_LAUNCH(gpu(), cuda::blocks_for(words, 256), 256, 0, copy_kernel, static_cast<Word*>(to.get()),
                   static_cast<const Word*>(from.get()), words);
  });
  const double theirs = median_ms(
      [&] { LL_CUDA(cudaMemcpyAsync(to.get(), from.get(), bytes, cudaMemcpyDeviceToDevice, device_->stream)); });
  copy_gb_per_s_ = 2.0 * static_cast<double>(bytes) / std::min(own, theirs) / 1e6;
  std::printf("%s, L2 %.0f MB; copy of 4 x L2: %.0f GB/s (cudaMemcpy %.4f ms, 16-byte kernel %.4f ms)\n\n",
              device_->properties.name, static_cast<double>(l2_bytes()) / 1e6, copy_gb_per_s_, theirs, own);
  std::printf("%-24s %-24s %-44s %9s %8s %8s %6s %9s\n", "op", "shape", "version", "ms", "GB/s", "TFLOP/s", "copy",
              "error");
}

DeviceLab::~DeviceLab() = default;
Ctx& DeviceLab::gpu() { return device_->gpu; }
Ctx& DeviceLab::cpu() { return device_->cpu; }
int64_t DeviceLab::l2_bytes() const { return device_->properties.l2CacheSize; }

int64_t DeviceLab::rows_for(double bytes_per_row) const {
  return std::max<int64_t>(1, static_cast<int64_t>(4.0 * static_cast<double>(l2_bytes()) / bytes_per_row));
}

double DeviceLab::median_ms(const std::function<void()>& run) {
  std::vector<double> times;
  for (int i = -2; i < runs_; ++i) {  // two to warm up
    device_->flush();
    LL_CUDA(cudaEventRecord(device_->begin, device_->stream));
    run();
    LL_CUDA(cudaEventRecord(device_->end, device_->stream));
    LL_CUDA(cudaEventSynchronize(device_->end));
    float ms = 0;
    LL_CUDA(cudaEventElapsedTime(&ms, device_->begin, device_->end));
    if (i >= 0) times.push_back(static_cast<double>(ms));
  }
  std::nth_element(times.begin(), times.begin() + runs_ / 2, times.end());
  return times[runs_ / 2];
}

void DeviceLab::measure(const Experiment& e) {
  for (const Version& version : e.versions) {
    Result r{e.op, e.shape, version.name};
    if (!version.run) {
      std::printf("%-24s %-24s %-44s not available on this device\n", r.op.c_str(), r.shape.c_str(), r.version.c_str());
      continue;
    }
    e.prepare();
    version.run();
    LL_CUDA(cudaStreamSynchronize(device_->stream));
    r.error = e.error();
    r.proved = r.error <= e.tolerance;
    r.ms = median_ms([&] { version.run(); });
    r.gb_per_s = e.bytes / r.ms / 1e6;
    r.tflop_per_s = e.flops / r.ms / 1e9;
    r.share = r.gb_per_s / copy_gb_per_s_;
    std::printf("%-24s %-24s %-44s %9.4f %8.0f %8.1f %6.2f %9.1e%s\n", r.op.c_str(), r.shape.c_str(), r.version.c_str(),
                r.ms, r.gb_per_s, r.tflop_per_s, r.share, r.error, r.proved ? "" : "  WRONG");
    std::fflush(stdout);
    results_.push_back(r);
  }
}

bool DeviceLab::all_proved() const {
  return std::all_of(results_.begin(), results_.end(), [](const Result& r) { return r.proved; });
}

void DeviceLab::write_json(const std::string& path) const {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) fail("[lab] " + path + " cannot be written");
  std::fprintf(file, "{\"device\": \"%s\", \"l2_bytes\": %lld, \"copy_gb_per_s\": %.1f, \"results\": [",
               device_->properties.name, static_cast<long long>(l2_bytes()), copy_gb_per_s_);
  const char* separator = "\n";
  for (const Result& r : results_) {
    std::fprintf(file,
                 "%s  {\"op\": \"%s\", \"shape\": \"%s\", \"version\": \"%s\", \"ms\": %.6f, \"gb_per_s\": %.1f, "
                 "\"tflop_per_s\": %.2f, \"share_of_copy\": %.4f, \"error\": %.3e, \"proved\": %s}",
                 separator, r.op.c_str(), r.shape.c_str(), r.version.c_str(), r.ms, r.gb_per_s, r.tflop_per_s, r.share,
                 std::isfinite(r.error) ? r.error : 1e300, r.proved ? "true" : "false");
    separator = ",\n";
  }
  std::fprintf(file, "\n]}\n");
  if (std::fclose(file) != 0) fail("[lab] " + path + " cannot be written");
}

}  // namespace lowland::lab
