#include "kernels/cuda/accelerator.h"

#include <cuda_profiler_api.h>

#include <vector>

#include "kernels/common/environment.h"
#include "kernels/common/error.h"
#include "kernels/common/uncaptured.h"
#include "kernels/cuda/device_answers.h"
#include "kernels/cuda/handles.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/staging.h"

namespace lowland::cuda {
namespace {

class Graph final : public CapturedWork {
 public:
  Graph(cudaGraph_t graph, cudaStream_t stream) : stream_(stream) {
    const cudaError_t status = cudaGraphInstantiate(&executable_, graph, 0);
    cudaGraphDestroy(graph);
    LL_CUDA(status);
    LL_CUDA(cudaGraphUpload(executable_, stream_));
  }
  ~Graph() override { cudaGraphExecDestroy(executable_); }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  void launch() override { LL_CUDA(cudaGraphLaunch(executable_, stream_)); }

 private:
  cudaGraphExec_t executable_ = nullptr;
  cudaStream_t stream_;
};

class CudaAccelerator final : public Accelerator {
 public:
  explicit CudaAccelerator(int index) : managed_(environment::kCompare.on()) {
    LL_CUDA(cudaSetDevice(index));
    cudaDeviceProp p{};
    LL_CUDA(cudaGetDeviceProperties(&p, index));
    int driver = 0, runtime = 0;
    LL_CUDA(cudaDriverGetVersion(&driver));
    LL_CUDA(cudaRuntimeGetVersion(&runtime));
    info_.name = p.name;
    info_.driver = version_text(driver);
    info_.runtime = version_text(runtime);
    info_.index = index;
    info_.sm = 10 * p.major + p.minor;
    info_.total_bytes = p.totalGlobalMem;
    info_.has_bf16 = p.major >= 8;
    LL_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    cudaMemPoolProps props{};
    props.allocType = cudaMemAllocationTypePinned;
    props.location = {cudaMemLocationTypeDevice, index};
    LL_CUDA(cudaMemPoolCreate(&pool_, &props));
    uint64_t keep = UINT64_MAX;  // freed memory stays with the pool for the next step
    LL_CUDA(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep));
    staging_ = std::make_unique<Staging>();
    LL_CUDA(cudaMalloc(&blas_workspace_, Handles::kWorkspaceBytes));
    handles_ = std::make_unique<Handles>(blas_workspace_, Handles::kWorkspaceBytes);
  }
  ~CudaAccelerator() override {
    cudaStreamSynchronize(stream_);
    clear_marks();
    for (cudaEvent_t e : spare_) cudaEventDestroy(e);
    handles_.reset();
    cudaFree(blas_workspace_);
    staging_.reset();
    cudaMemPoolDestroy(pool_);
    cudaStreamDestroy(stream_);
  }
  CudaAccelerator(const CudaAccelerator&) = delete;
  CudaAccelerator& operator=(const CudaAccelerator&) = delete;

  const AcceleratorInfo& info() const override { return info_; }
  void attach(Ctx& ctx) override {
    ctx.backend = Backend::cuda;
    ctx.stream = stream_;
    ctx.handles = handles_.get();
  }

  void* allocate(size_t bytes) override {
    refuse(Uncaptured::allocation);
    void* block = nullptr;
    const cudaError_t status = managed_ ? cudaMallocManaged(&block, bytes, cudaMemAttachGlobal)
                                        : cudaMallocFromPoolAsync(&block, bytes, pool_, stream_);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // it is the caller's to report
      return nullptr;
    }
    LL_CUDA(status);
    return block;
  }
  void release(void* block) override {
    // Runs in destructors: an error of earlier work is told by the next checked call.
    if (managed_) {
      cudaStreamSynchronize(stream_);
      cudaFree(block);
    } else {
      cudaFreeAsync(block, stream_);
    }
  }
  size_t held_bytes() const override {
    uint64_t held = 0;
    if (!managed_) cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrReservedMemCurrent, &held);
    return held;
  }
  void give_back_unused() override {
    wait();  // a block that is given back is free when the stream gets there
    if (!managed_) LL_CUDA(cudaMemPoolTrimTo(pool_, 0));
  }
  size_t free_bytes() const override {
    uint64_t idle = 0, used = 0;  // what the pool has and does not use
    size_t free = 0, total = 0;
    if (!managed_) {
      cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrReservedMemCurrent, &idle);
      cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrUsedMemCurrent, &used);
    }
    LL_CUDA(cudaMemGetInfo(&free, &total));
    return free + (idle - used);
  }

  void upload(void* to, const void* from, size_t bytes) override {
    refuse(Uncaptured::upload);
    staging_->upload(to, from, bytes, stream_);
  }
  void download(void* to, const void* from, size_t bytes) override {
    refuse(Uncaptured::download);
    LL_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_));
    wait();
  }
  void copy(void* to, const void* from, size_t bytes) override {
    LL_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_));
  }
  void zero(void* to, size_t bytes) override { LL_CUDA(cudaMemsetAsync(to, 0, bytes, stream_)); }
  void wait() override {
    refuse(Uncaptured::wait);
    LL_CUDA(cudaStreamSynchronize(stream_));
  }

  void begin_capture() override {
    LL_CUDA(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    capturing_ = true;
  }
  std::unique_ptr<CapturedWork> end_capture() override {
    capturing_ = false;
    cudaGraph_t graph = nullptr;
    LL_CUDA(cudaStreamEndCapture(stream_, &graph));
    return std::make_unique<Graph>(graph, stream_);
  }
  void abandon_capture() override {
    capturing_ = false;
    cudaGraph_t graph = nullptr;
    cudaStreamEndCapture(stream_, &graph);
    if (graph != nullptr) cudaGraphDestroy(graph);
    cudaGetLastError();
  }
  bool capturing() const override { return capturing_; }

  size_t mark() override {
    cudaEvent_t event = nullptr;
    if (spare_.empty()) {
      LL_CUDA(cudaEventCreate(&event));
    } else {
      event = spare_.back();
      spare_.pop_back();
    }
    marks_.push_back(event);
    LL_CUDA(cudaEventRecord(event, stream_));
    return marks_.size() - 1;
  }
  double ms_between(size_t from, size_t to) override {
    LL_CUDA(cudaEventSynchronize(marks_[to]));
    float ms = 0;
    LL_CUDA(cudaEventElapsedTime(&ms, marks_[from], marks_[to]));
    return static_cast<double>(ms);
  }
  void clear_marks() override {
    spare_.insert(spare_.end(), marks_.begin(), marks_.end());
    marks_.clear();
  }
  void allow_tf32(bool on) override { handles_->tf32 = on; }
  void profile(bool on) override { LL_CUDA(on ? cudaProfilerStart() : cudaProfilerStop()); }

 private:
  void refuse(Uncaptured what) const {
    if (capturing_) fail_uncaptured(what);
  }

  bool managed_ = false, capturing_ = false;
  AcceleratorInfo info_;
  cudaStream_t stream_ = nullptr;
  cudaMemPool_t pool_ = nullptr;
  std::unique_ptr<Staging> staging_;
  void* blas_workspace_ = nullptr;
  std::unique_ptr<Handles> handles_;
  std::vector<cudaEvent_t> marks_, spare_;
};

}  // namespace

std::string why_unusable(int index) {
  DeviceAnswers a;
  a.index = index;
  const cudaError_t status = cudaGetDeviceCount(&a.count);
  cudaGetLastError();
  cudaDriverGetVersion(&a.driver);
  cudaRuntimeGetVersion(&a.runtime);
  using Count = DeviceAnswers::Count;
  a.answer = status == cudaSuccess                   ? Count::counted
             : status == cudaErrorInsufficientDriver ? Count::driver_too_old
             : status == cudaErrorNoDevice           ? Count::no_device
                                                     : Count::failed;
  a.failure = cudaGetErrorString(status);
  if (a.answer == Count::counted && index >= 0 && index < a.count) {
    const cudaError_t set = cudaSetDevice(index);
    if (set != cudaSuccess) {  // busy, or no memory left for a context
      a.answer = Count::failed;
      a.failure = cudaGetErrorString(set);
    }
    a.fits = set == cudaSuccess && kernels_fit_device();
    cudaGetLastError();
    cudaDeviceProp p{};
    a.answers = a.fits || cudaGetDeviceProperties(&p, index) == cudaSuccess;
    a.name = p.name;
    a.sm = 10 * p.major + p.minor;
  }
  return why_unusable(a);
}

std::unique_ptr<Accelerator> make_accelerator(int index) {
  const std::string why = why_unusable(index);
  if (!why.empty()) fail(why);
  return std::make_unique<CudaAccelerator>(index);
}

}  // namespace lowland::cuda
