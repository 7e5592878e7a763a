// attention: softmax(scale q k^T) v, each segment for itself; tile by tile, probabilities are never stored.
//   forward    s_ij = scale * q_i . k_j     lse_i = log sum_j exp(s_ij)     p_ij = exp(s_ij - lse_i)
//              o_i  = sum_j u_ij p_ij v_j   with u_ij = 1, or under dropout 0 or 1 / (1 - p)
//   backward   p_ij from lse_i              D_i  = do_i . o_i
//              g_ij = p_ij (u_ij do_i . v_j - D_i)             dq_i = scale * sum_j g_ij k_j
//              dk_j = scale * sum_i g_ij q_i                   dv_j = sum_i u_ij p_ij do_i
//   With a cap c on the scores: s_ij = c tanh(scale * q_i . k_j / c), and g_ij times 1 - (s_ij / c)^2.
//   Segment s has the query rows [cu_q[s], cu_q[s+1]) and the keys [cu_k[s], cu_k[s+1]). Causal: of nq
//   queries and nk keys, query i sees keys 0 .. nk - nq + i, of a sliding window of W the last W of them. Query head h
//   reads key head h / (NH / NKV).
// shapes     q, o: (NQ, NH HD)   k, v: (NK, NKV HD)   lse: (NQ, NH) in acc_t<T>; rows are `stride` elements apart,
//            heads adjacent, so that the q, k and v of one packed matrix are three views of it
// writes     o =   lse =   dq =   dk =   dv =   (dq null, or dk and dv null: unwanted; dq may equal do)
//            Rows outside every segment, queries without keys and keys that no query sees get zeros.
// numerics   online softmax over tiles of 64 keys. Threads own (segment, head, 256 queries) in the forward
//            and (segment, key head) in the backward: results depend neither on their number nor on the
//            packing; scratch memory depends on HD and the number of threads only, and in bf16, where the CPU sums dk
//            and dv in f32 before it rounds them, on the longest segment: there arithmetic is f32 on widened tiles.
//            Causal segments of one to four queries and more keys, a decoder's step, are summed in an order of their
//            own (cpu/attention_few.h)
// dropout    u_ij by Philox: counter (example_i, position_i, h * kHeadStride + j / 8), draw j % 8
// cost       tiles that the causal mask or the window hides are not computed: queries times W, not times keys
// REQUIRES   cu_q, cu_k rise from 0 and stay within NQ, NK; NKV divides NH; causal: nq <= nk or nk = 0; a window only
//            where causal
// CUDA plan  (without a cap, which is refused there) a block per (segment, head, tile of queries), bounds of segments
//            read on the device. bf16: mma.sync m16n8k16, 64 or 128 queries, 64 or 32 keys at a time by cp.async,
//            double-buffered. float, double: FMA on tiles of 32 and 16. Backward: delta, then dk and dv, then dq, each
//            block owning what it writes: no atomics, the same bits every time. Heads of 1 to 128 columns; wider ones
//            are refused. Instead of these, with LL_ATTENTION=cudnn, bf16 and no dropout: cuDNN's fused graph
//            (kernels/cuda/attention_cudnn.h)
// paper      Dao et al. 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691
#pragma once
#include "kernels/common/ctx.h"
#include "kernels/common/philox.h"

namespace lowland {

// Rows of a matrix that may be a view of a wider one. T is const for inputs.
template <class T> struct RowView {
  T* data = nullptr;
  int64_t stride = 0;  // elements between rows
};

struct AttentionShape {
  int64_t S = 0, NQ = 0, NK = 0, NH = 0, NKV = 0, HD = 0;
  int64_t max_q = 0, max_k = 0;   // no segment is longer (the bounds may be a GPU's); 0: unknown, NQ and NK serve
  const int32_t* cu_q = nullptr;  // (S+1)
  const int32_t* cu_k = nullptr;  // (S+1)
  bool causal = false;
  int64_t window = 0;  // keys that a query sees, its own included; 0: all before it
  double scale = 1;
  double soft_cap = 0;  // of the scores; 0: none
  // Dropout of the probabilities; off when drop_below is 0.
  uint32_t drop_below = 0;  // draws under it are dropped: drop_threshold(p)
  double keep_scale = 1;    // 1 / (1 - p)
  PhiloxSource draws;
  const int32_t* example = nullptr;   // (NQ)
  const int32_t* position = nullptr;  // (NQ)
};

template <class T> struct AttentionInputs { RowView<const T> q, k, v; };

template <class T> struct AttentionGradients { RowView<T> dq, dk, dv; };

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void attention_forward(Ctx&, RowView<T> o, acc_t<T>* lse, const AttentionInputs<T>& in,
                                          const AttentionShape& shape);
template <class T> void attention_backward(Ctx&, const AttentionGradients<T>& grads, RowView<const T> dout,
                                           RowView<const T> o, const acc_t<T>* lse, const AttentionInputs<T>& in,
                                           const AttentionShape& shape);
)
LL_CPU_KERNELS(
template <class T> int64_t attention_forward_scratch(int threads, int64_t HD);
// longest: keys of a segment; what bf16 takes depends on it.
template <class T> int64_t attention_backward_scratch(int threads, int64_t HD, int64_t longest);
)
