// Staging: host memory that the GPU reads by itself, so that sending a batch does not wait for the copy before. A
// ring of pinned blocks, each with an event that tells when its last copy has been made.
#pragma once
#include <cuda_runtime.h>

#include <cstddef>
#include <vector>

namespace lowland::cuda {

class Staging {
 public:
  Staging() = default;
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Copies `from` aside, which may then be changed, and sends it in the order of the stream.
  void upload(void* to, const void* from, size_t bytes, cudaStream_t stream);

 private:
  static constexpr size_t kBlocks = 8, kPiece = size_t{8} << 20;  // larger copies go in pieces
  struct Block {
    void* data = nullptr;
    size_t size = 0;
    cudaEvent_t sent = nullptr;
  };
  Block& free_block(size_t bytes);
  std::vector<Block> blocks_;
  size_t next_ = 0;
};

}  // namespace lowland::cuda
