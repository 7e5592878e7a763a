#include "kernels/cuda/nccl.h"

#include "kernels/common/error.h"

#ifdef LL_NCCL
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <nccl.h>

#include <cstring>

namespace lowland::cuda {
namespace {

// What is used of the library.
struct Library {
  decltype(&ncclGetUniqueId) get_unique_id = nullptr;
  decltype(&ncclCommInitRank) init_rank = nullptr;
  decltype(&ncclCommAbort) abort = nullptr;
  decltype(&ncclAllReduce) all_reduce = nullptr;
  decltype(&ncclBroadcast) broadcast = nullptr;
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

class Nccl final : public DeviceCollectives {
 public:
  Nccl(const std::string& text, int rank, int world, cudaStream_t stream) : stream_(stream) {
    ncclUniqueId id;
    if (text.size() != sizeof id) fail("NCCL's id has another size: the processes run different builds");
    std::memcpy(&id, text.data(), sizeof id);
    check(library().init_rank(&comm_, world, id, rank), "ncclCommInitRank");
  }
  // Destroying it would wait for processes that may have gone.
  ~Nccl() override { library().abort(comm_); }
  Nccl(const Nccl&) = delete;
  Nccl& operator=(const Nccl&) = delete;

  void all_reduce(void* data, int64_t count, DType dtype) override {
    check(library().all_reduce(data, data, static_cast<size_t>(count), type_of(dtype), ncclSum, comm_, stream_),
          "ncclAllReduce");
  }
  void broadcast(void* data, int64_t bytes) override {
    check(library().broadcast(data, data, static_cast<size_t>(bytes), ncclChar, 0, comm_, stream_), "ncclBroadcast");
  }

 private:
  ncclComm_t comm_ = nullptr;
  cudaStream_t stream_;
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
