// Ctx: all that a kernel may use besides its arguments. There are no globals: threads, scratch memory and (on a GPU)
// the stream and library handles come from here.
//
// The CPU kernels are compiled twice, for x86-64-v3 (AVX2) and x86-64-v4 (AVX-512), into the namespaces cpu_v3 and
// cpu_v4; a source file of kernels/cpu writes `namespace lowland::LL_CPU`. Ctx::backend says which one runs here.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/common/dtype.h"
#include "kernels/common/hd.h"

namespace lowland {

enum class Backend : uint8_t { cpu_v3, cpu_v4, cuda };

// Scratch memory with stack discipline. Blocks are kept for the next launch, so that a hot loop does not allocate.
class Workspace {
 public:
  virtual ~Workspace() = default;
  virtual void* take(size_t bytes) = 0;  // 64-byte aligned, uninitialised
  virtual size_t mark() const = 0;
  virtual void release_to(size_t mark) = 0;
};

class LaunchObserver;  // kernels/common/launch.h

struct Ctx {
  Backend backend = Backend::cpu_v3;
  bool bf16_products = false;  // the CPU's own instructions take bf16; elsewhere it is converted to f32 for a product
  int threads = 1;
  int idle = 0;  // of the threads, left to other programs for now. Work is cut by `threads`: no result depends on it
  Workspace* workspace = nullptr;
  void* stream = nullptr;              // cudaStream_t
  void* handles = nullptr;             // kernels/cuda: library handles of this device
  LaunchObserver* observer = nullptr;  // stands between the caller and every kernel; usually nobody
};

// Takes scratch memory and gives it back at the end of the scope. What the CPU's larger kernels take is declared beside
// them as NAME_scratch, for whoever must know before they run: elements of acc_t<T> that a call takes in all, for its
// threads together, where nothing that it can compute is unwanted.
class Scratch {
 public:
  explicit Scratch(Ctx& ctx);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  void* bytes(size_t n);
  template <class T> LL_INLINE T* array(int64_t n) { return static_cast<T*>(bytes(n * sizeof(T))); }

 private:
  Workspace& workspace_;
  size_t mark_;
};

// The best CPU backend of this machine. Throws Error on a CPU older than x86-64-v3. LL_CPU_ARCH=v3 forces the
// older one.
Backend detect_cpu_backend();

// Who multiplies numbers in bf16 on this CPU: its own instructions (avx512_bf16, with AMX where that is there too), by
// way of oneDNN; f32 arithmetic, which proves everything else and saves no time, where LL_CPU_BF16=1 asks for it; or
// nobody. Kernels of either work everywhere: what is asked here is whether a model should.
enum class CpuBf16 : uint8_t { none, converted, native };
CpuBf16 detect_cpu_bf16();

}  // namespace lowland

// clang-format off
// Declares kernels once for every backend.
#define LL_KERNELS(...)                          \
  namespace lowland::cpu_v3 { __VA_ARGS__ }      \
  namespace lowland::cpu_v4 { __VA_ARGS__ }      \
  namespace lowland::cuda { __VA_ARGS__ }

// The same for work that stays on the CPU: pictures on their way to the device.
#define LL_CPU_KERNELS(...)                      \
  namespace lowland::cpu_v3 { __VA_ARGS__ }      \
  namespace lowland::cpu_v4 { __VA_ARGS__ }

// At the end of a kernel's file: the template for each element type, with the signature that it was declared with.
// LL_INSTANTIATE_MASTER: of kernels over what is trained, which is never bf16.
#if defined(LL_CPU) || defined(__CUDACC__)
#define LL_INSTANTIATE_MASTER(kernel)             \
  template decltype(kernel<float>) kernel<float>; \
  template decltype(kernel<double>) kernel<double>
#define LL_INSTANTIATE(kernel)   \
  LL_INSTANTIATE_MASTER(kernel); \
  template decltype(kernel<bf16>) kernel<bf16>
#endif
