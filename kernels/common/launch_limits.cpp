#include "kernels/common/launch_limits.h"

#include <string>

#include "kernels/common/error.h"

namespace lowland::cuda {

void check_row_length(const char* op, int64_t C) {
  if (C > kMostColumns)
    fail("[" + std::string(op) + "] rows of " + std::to_string(C) + " columns are longer than CUDA's " +
         std::to_string(kMostColumns));
}

void check_head_size(int64_t HD) {
  if (HD < 1 || HD > kMaxHeadDim)
    fail("[attention] a head must have 1 to " + std::to_string(kMaxHeadDim) + " columns on a GPU, got " +
         std::to_string(HD));
}

unsigned checked_grid(const char* kernel, int64_t blocks) {
  if (blocks < 0 || blocks > 0x7fffffff)
    fail("[" + std::string(kernel) + "] " + std::to_string(blocks) + " blocks are more than a GPU launches at once");
  return static_cast<unsigned>(blocks);
}

void fail_misaligned(const void* p, int bytes) {
  fail("[cuda] " + std::to_string(bytes) + " bytes are moved at an address that is " +
       std::to_string(reinterpret_cast<uintptr_t>(p) % static_cast<uintptr_t>(bytes)) +
       " bytes past a multiple of that");
}

}  // namespace lowland::cuda
