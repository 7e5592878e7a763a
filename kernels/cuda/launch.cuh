// Launching kernels: every call into CUDA is checked, every launch is on ctx.stream.
#pragma once
#include <cuda_runtime.h>

#include "kernels/common/ctx.h"
#include "kernels/common/launch_limits.h"

namespace lowland::cuda {

// "[cuda] cudaMemcpyAsync(...) failed on device 0: an illegal memory access was encountered (kernels/cuda/x.cu:12)"
[[noreturn]] void fail_cuda(cudaError_t status, const char* statement, const char* file, int line);
// After a launch: its own error at once; with LL_SYNC=1 waits for the kernel and names it if it failed.
void check_launch(const Ctx& ctx, const char* kernel, const char* file, int line);

inline cudaStream_t stream_of(const Ctx& ctx) { return static_cast<cudaStream_t>(ctx.stream); }

inline dim3 grid_of(const char* kernel, int64_t blocks) { return {checked_grid(kernel, blocks)}; }
inline dim3 grid_of(const char*, const dim3& grid) { return grid; }
inline int64_t blocks_for(int64_t n, int64_t per_block) { return (n + per_block - 1) / per_block; }

// Shared memory that a block of this device can have, in bytes, and leave for a kernel to ask for that much.
int shared_limit();
void allow_shared_bytes(const void* kernel, int bytes);
template <class Kernel> void allow_shared(Kernel* kernel, int bytes) {
  allow_shared_bytes(reinterpret_cast<const void*>(kernel), bytes);
}

}  // namespace lowland::cuda

#define LL_CUDA(call)                                                                               \
  do {                                                                                              \
    const cudaError_t ll_status = (call);                                                           \
    if (ll_status != cudaSuccess) ::lowland::cuda::fail_cuda(ll_status, #call, __FILE__, __LINE__); \
  } while (0)

// LL_CUDA_LAUNCH(ctx, grid, block, shared_bytes, kernel, args...): nothing is launched for an empty grid.
#define LL_CUDA_LAUNCH(ctx, grid, block, shared, kernel, ...)                                 \
  do {                                                                                        \
    const dim3 ll_grid = ::lowland::cuda::grid_of(#kernel, grid);                             \
    if (ll_grid.x == 0 || ll_grid.y == 0 || ll_grid.z == 0) break;                            \
    kernel<<<ll_grid, dim3(block), (shared), ::lowland::cuda::stream_of(ctx)>>>(__VA_ARGS__); \
    ::lowland::cuda::check_launch((ctx), #kernel, __FILE__, __LINE__);                        \
  } while (0)
