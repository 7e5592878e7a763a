// embedding: rows of a table by their ids.
//   forward    y_nc = table[id_n]_c    (embedding_frozen: of a table in bf16 or in blocks, as T; ids null: id_n = n)
//   backward   dtable_vc = sum of dy_nc over the n with id_n = v
// shapes     ids (N) i32   table, dtable: (V, C)   y, dy: (N, C)   dtable in acc_t<T>
// writes     y =   dtable +=
// numerics   an entry of dtable is summed in the order of n: the same for any number of threads, no atomics
// REQUIRES   0 <= id_n < V
// CUDA plan  forward a thread per 16 bytes of each of four rows; backward sorts the ids (cub, stable), then a block per
//            distinct id and tile of columns: eight warps add every eighth row in order, then the warps in order
#pragma once
#include "kernels/common/blocks.h"
#include "kernels/common/ctx.h"

// clang-format off
LL_KERNELS(
template <class T> void embedding_forward(Ctx&, T* y, const int32_t* ids, const T* table, int64_t N,
                                          int64_t C);
template <class T> void embedding_frozen(Ctx&, T* y, const int32_t* ids, const void* table, DType type, int64_t N,
                                         int64_t C);
template <class T> void embedding_backward(Ctx&, acc_t<T>* dtable, const T* dy, const int32_t* ids, int64_t N,
                                           int64_t C);
)
