// What a launch on a GPU cannot take, each refused in one sentence. No CUDA header, and none of an exception: kernels
// include it.
#pragma once
#include <cstdint>

namespace lowland::cuda {

// The longest row of the norms (kernels/cuda/rows.h), and the widest head of attention.
inline constexpr int64_t kMostColumns = 65536;
inline constexpr int64_t kMaxHeadDim = 128;

// An address at which a GPU would trap: no multiple of the bytes that are moved there at once.
[[noreturn]] void fail_misaligned(const void* p, int bytes);

void check_row_length(const char* op, int64_t C);
void check_head_size(int64_t HD);

// The size of a grid of one dimension: at most 2^31 - 1 blocks.
unsigned checked_grid(const char* kernel, int64_t blocks);

}  // namespace lowland::cuda
