#include "kernels/cuda/nccl.h"

#include "kernels/common/error.h"

#ifdef LL_NCCL
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <nccl.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>

#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {
namespace {

// What is used of the library.
struct Library {
  decltype(&ncclGetUniqueId) get_unique_id = nullptr;
  decltype(&ncclCommInitRank) init_rank = nullptr;
  decltype(&ncclCommAbort) abort = nullptr;
  decltype(&ncclAllReduce) all_reduce = nullptr;
  decltype(&ncclBroadcast) broadcast = nullptr;
  decltype(&ncclAllGather) all_gather = nullptr;
  decltype(&ncclGetErrorString) error_string = nullptr;
  std::string why;  // it cannot be used
};

template <class F> void find(void* handle, const char* name, F& function, std::string& why) {
  void* const at = ::dlsym(handle, name);
  std::memcpy(&function, &at, sizeof at);
  if (at == nullptr) why = std::string("libnccl.so.2 has no ") + name;
}

const Library& library() {
  static const Library found = [] {
    Library l;
    void* const handle = ::dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      l.why = "libnccl.so.2 is not found (apt-get install libnccl2, or LD_LIBRARY_PATH)";
      return l;
    }
    find(handle, "ncclGetUniqueId", l.get_unique_id, l.why);
    find(handle, "ncclCommInitRank", l.init_rank, l.why);
    find(handle, "ncclCommAbort", l.abort, l.why);
    find(handle, "ncclAllReduce", l.all_reduce, l.why);
    find(handle, "ncclBroadcast", l.broadcast, l.why);
    find(handle, "ncclAllGather", l.all_gather, l.why);
    find(handle, "ncclGetErrorString", l.error_string, l.why);
    return l;
  }();
  return found;
}

void check(ncclResult_t status, const char* call) {
  if (status != ncclSuccess) fail(std::string(call) + ": " + library().error_string(status));
}

ncclDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return ncclFloat32;
    case DType::f64: return ncclFloat64;
    case DType::bf16: return ncclBfloat16;
    case DType::i32: return ncclInt32;
    case DType::i64: return ncclInt64;
    default: fail("NCCL does not add this type");
  }
}

// A point in a stream.
class Event {
 public:
  explicit Event(cudaStream_t stream) {
    LL_CUDA(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
    LL_CUDA(cudaEventRecord(event_, stream));
  }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void before(cudaStream_t stream) const { LL_CUDA(cudaStreamWaitEvent(stream, event_, 0)); }
  bool passed() const { return cudaEventQuery(event_) != cudaErrorNotReady; }  // an error is the waiting host's to tell

 private:
  cudaEvent_t event_ = nullptr;
};

// One communicator for both streams: NCCL keeps the order of the calls, which is that of all processes.
class Nccl final : public DeviceCollectives {
 public:
  Nccl(const std::string& text, int rank, int world, cudaStream_t stream) : stream_(stream) {
    ncclUniqueId id;
    if (text.size() != sizeof id) fail("NCCL's id has another size: the processes run different builds");
    std::memcpy(&id, text.data(), sizeof id);
    LL_CUDA(cudaGetDevice(&device_));
    LL_CUDA(cudaStreamCreateWithFlags(&side_, cudaStreamNonBlocking));
    check(library().init_rank(&comm_, world, id, rank), "ncclCommInitRank");
  }
  // Destroying it would wait for processes that may have gone.
  ~Nccl() override {
    give_up();
    gathers_.clear();
    marks_.clear();
    cudaStreamDestroy(side_);
  }
  Nccl(const Nccl&) = delete;
  Nccl& operator=(const Nccl&) = delete;

  void all_reduce(void* data, int64_t count, DType dtype) override {
    check(library().all_reduce(data, data, static_cast<size_t>(count), type_of(dtype), ncclSum, comm_, stream_),
          "ncclAllReduce");
    note(stream_);
  }
  void broadcast(void* data, int64_t bytes) override {
    check(library().broadcast(data, data, static_cast<size_t>(bytes), ncclChar, 0, comm_, stream_), "ncclBroadcast");
    note(stream_);
  }

  uint64_t start_gather(void* all, const void* mine, int64_t bytes) override {
    Event(stream_).before(side_);
    check(library().all_gather(mine, all, static_cast<size_t>(bytes), ncclChar, comm_, side_), "ncclAllGather");
    note(side_);
    gathers_.emplace_back(side_);
    return ++started_;
  }
  void finish_gather(uint64_t gather) override {
    for (; finished_ < gather; ++finished_) {  // in their order: one stream makes them
      if (finished_ + 1 == gather) gathers_.front().before(stream_);
      gathers_.pop_front();
    }
  }

  size_t mark() override {
    const std::lock_guard lock(mutex_);
    return first_ + marks_.size();
  }
  bool done(size_t mark) override {
    // A thread that looks must not disturb a capture.
    cudaSetDevice(device_);
    cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
    cudaThreadExchangeStreamCaptureMode(&mode);
    const std::lock_guard lock(mutex_);
    for (; first_ < mark && marks_.front().passed(); ++first_) marks_.pop_front();
    cudaThreadExchangeStreamCaptureMode(&mode);
    return first_ >= mark;
  }
  void give_up() override {
    if (!given_up_.exchange(true)) library().abort(comm_);
  }

 private:
  void note(cudaStream_t stream) {
    const std::lock_guard lock(mutex_);
    marks_.emplace_back(stream);
  }

  ncclComm_t comm_ = nullptr;
  cudaStream_t stream_, side_ = nullptr;  // of the computation; of gathers
  int device_ = 0;
  std::deque<Event> gathers_;  // behind each that is not finished
  uint64_t started_ = 0, finished_ = 0;
  std::mutex mutex_;         // of what follows
  std::deque<Event> marks_;  // behind each call, the first_ oldest of which have ended
  size_t first_ = 0;
  std::atomic<bool> given_up_ = false;
};

}  // namespace

std::string why_no_nccl() { return library().why; }

std::string nccl_id() {
  ncclUniqueId id;
  check(library().get_unique_id(&id), "ncclGetUniqueId");
  std::string text(sizeof id, '\0');
  std::memcpy(text.data(), &id, sizeof id);
  return text;
}

std::unique_ptr<DeviceCollectives> make_nccl(const std::string& id, int rank, int world, Ctx& ctx) {
  return std::make_unique<Nccl>(id, rank, world, static_cast<cudaStream_t>(ctx.stream));
}

}  // namespace lowland::cuda

#else

namespace lowland::cuda {

std::string why_no_nccl() { return "this build of Lowland has no NCCL"; }
std::string nccl_id() { fail(why_no_nccl()); }
std::unique_ptr<DeviceCollectives> make_nccl(const std::string&, int, int, Ctx&) { fail(why_no_nccl()); }

}  // namespace lowland::cuda

#endif
