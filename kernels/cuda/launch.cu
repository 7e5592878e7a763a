#include "kernels/cuda/launch.cuh"

#include <cstdlib>
#include <cstring>
#include <string>

namespace lowland::cuda {
namespace {

bool synchronous() {
  static const char* const value = std::getenv("LL_SYNC");
  return value != nullptr && std::strcmp(value, "1") == 0;
}

}  // namespace

void fail_cuda(cudaError_t status, const char* statement, const char* file, int line) {
  int device = -1;
  cudaGetDevice(&device);
  fail("[cuda] " + std::string(statement) + " failed on device " + std::to_string(device) + ": " +
       cudaGetErrorString(status) + " (" + file + ":" + std::to_string(line) + ")");
}

void check_launch(const Ctx& ctx, const char* kernel, const char* file, int line) {
  cudaError_t status = cudaGetLastError();
  if (status == cudaSuccess && synchronous()) status = cudaStreamSynchronize(stream_of(ctx));
  if (status != cudaSuccess) fail_cuda(status, kernel, file, line);
}

}  // namespace lowland::cuda
