#include "kernels/cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {

Staging::~Staging() {
  for (const Block& b : blocks_) {
    if (b.sent == nullptr) continue;  // never used: an error of CUDA here would be the next launch's
    cudaEventSynchronize(b.sent);
    cudaEventDestroy(b.sent);
    cudaFreeHost(b.data);
  }
}

Staging::Block& Staging::free_block(size_t bytes) {
  if (blocks_.empty()) blocks_.resize(kBlocks);
  Block& b = blocks_[next_];
  next_ = (next_ + 1) % kBlocks;
  if (b.sent == nullptr) {
    LL_CUDA(cudaEventCreateWithFlags(&b.sent, cudaEventDisableTiming));
  } else {
    LL_CUDA(cudaEventSynchronize(b.sent));
  }
  if (b.size < bytes) {
    if (b.data != nullptr) LL_CUDA(cudaFreeHost(b.data));
    b.data = nullptr;
    b.size = std::max<size_t>(bytes, size_t{64} << 10);
    LL_CUDA(cudaHostAlloc(&b.data, b.size, cudaHostAllocDefault));
  }
  return b;
}

void Staging::upload(void* to, const void* from, size_t bytes, cudaStream_t stream) {
  for (size_t at = 0; at < bytes; at += kPiece) {
    const size_t n = std::min(kPiece, bytes - at);
    Block& b = free_block(n);
    std::memcpy(b.data, static_cast<const char*>(from) + at, n);
    LL_CUDA(cudaMemcpyAsync(static_cast<char*>(to) + at, b.data, n, cudaMemcpyHostToDevice, stream));
    LL_CUDA(cudaEventRecord(b.sent, stream));
  }
}

}  // namespace lowland::cuda
