// Every op of the engine. Each lives in its own file of the same name, forward and backward side by side; the
// mathematics is in kernels/<op>.h. Letters: N rows, C width, S segments, NH heads, NKV key/value heads, HD head
// width, V classes or vocabulary, R rank (docs/notation.md). There is no padding: a batch is packed rows, and segment i
// of it is the rows [cu_seqlens[i], cu_seqlens[i+1]).
#pragma once
#include <vector>

#include "engine/tensor.h"
#include "kernels/common/philox.h"

namespace lowland {

// A weight matrix as the forward reads it: (O, M), y = x W^T. Rows may be a view of a larger matrix (q of q|k|v).
// Frozen, it may be in bf16 or in blocks (kernels/common/blocks.h) whatever the activations are in, and in pieces, each
// of a type of its own, stacked by rows: `data` is the top one.
struct Weight {
  Tensor data;
  std::vector<Tensor> below;  // (O_i, M), from the top down
  Weight() = default;
  Weight(Tensor matrix) : data(std::move(matrix)) {}  // NOLINT: a plain matrix is a weight
  // f(piece, its first row) for each piece, from the top down.
  template <class F> void each_piece(const F& f) const {
    f(data, int64_t{0});
    int64_t row = data.dim(0);
    for (const Tensor& piece : below) {
      f(piece, row);
      row += piece.dim(0);
    }
  }
  int64_t rows() const {  // O, of all pieces
    int64_t n = data.dim(0);
    for (const Tensor& piece : below) n += piece.dim(0);
    return n;
  }
};

// What identifies the random draws of one dropout: who draws (seed, step, op) and where each row is.
struct Dropout {
  double p = 0;  // probability of dropping; 0: no dropout, all else is ignored
  uint64_t seed = 0, step = 0, op = 0;
  const uint64_t* live_step = nullptr;  // in device memory, read in place of `step` when the kernel runs
  Tensor example;                       // (N) i32: index of the row's example in the step
  Tensor position;                      // (N) i32: the row's position in its segment
  bool active() const { return p > 0; }
  PhiloxSource draws() const { return {philox_key(seed, step, op), seed, op, live_step}; }
};

// One adapted slice of a weight's rows: y[:, row_begin : row_begin + b.dim(0)] += scale * (x A^T) (B + E)^T, with a
// rank R of its own.
struct LoraPart {
  Tensor b;               // (n, R)
  Tensor b_perturbation;  // (n, R), absent at the centre
  int64_t row_begin = 0;  // first row of the weight that this pair adapts
  double scale = 1;       // alpha / r, or alpha / sqrt(r)
};

// Noise on the rows of a frozen weight that pairs adapt: kernels/weight_noise.h.
struct WeightNoise {
  const double* rho = nullptr;  // in the backend's memory; null: no noise
  PhiloxSource draws;
  int64_t first_row = 0;  // the weight's first row among those that share the draws
};

// The adapters that read one input. Their A's are one stacked matrix: the rank product x A^T is taken once.
struct LoraGroup {
  Tensor a;               // (KR, M): R rows for each part, in their order
  Tensor a_perturbation;  // (KR, M), absent at the centre
  std::vector<LoraPart> parts;
  WeightNoise noise;
  Dropout dropout;  // on the adapters' input only; one mask for all parts, recomputed in the backward
};

// Rows of a weight whose lengths are trained apart from their directions.
struct DoraPart {
  Tensor magnitude;       // (n), f32 where the activations are bf16
  Tensor length;          // (n) f64, of the rows of W + s B A
  int64_t row_begin = 0;  // their first row in the weight
};

// The heads that head_norm normalises: query_heads by `query`, the next key_heads by `key`.
struct HeadNorm {
  Tensor query, key;  // (HD); key absent where there are no such heads
  int64_t query_heads = 1, key_heads = 0;
};

struct AttentionOptions {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  bool causal = false;           // query i of a segment with q queries and k keys sees keys 0 .. k - q + i
  int64_t window = 0;            // causal: of those it sees the last `window`, its own included; 0: all
  double scale = 0;              // of the scores; 0: 1 / sqrt(head_dim)
  double soft_cap = 0;           // scores below it by tanh; 0: none. On the CPU
  Tensor cu_q, cu_k;             // (S+1) i32
  int64_t max_q = 0, max_k = 0;  // no segment has more queries or keys; 0: counted from cu_q and cu_k
  Dropout dropout;               // on the probabilities; example, position: of the query rows
};

// A residual sum, which goes on, and its norm, which the next part of a block reads.
struct AddNorm {
  Tensor sum, norm;  // (N, C)
};

struct CrossEntropyOptions {
  int64_t ignore_index = -100;
  double label_smoothing = 0;
  double scale = 1;  // usually 1 / (targets of the whole step)
};

struct LinearCrossEntropyOptions : CrossEntropyOptions {
  double soft_cap = 0;     // of the logits; 0: none
  int64_t chunk_rows = 0;  // rows of logits that exist at a time; 0: ops::logits_rows
};

namespace ops {

// C = op(a) op(b).   (M, K) x (K, N) -> (M, N)
Tensor matmul(const Tensor& a, const Tensor& b, bool trans_a = false, bool trans_b = false);
// y = x W^T + bias.   x (N, M), w (O, M), bias (O) or absent -> (N, O)
Tensor linear(const Tensor& x, const Weight& w, const Tensor& bias);
// linear plus its low-rank adapters, as one op: saves x and the rank product only.   -> (N, O)
// beside: more pairs on the same input, of other ranks; it may be empty. Its dropout is that of `lora`.
Tensor lora_linear(const Tensor& x, const Weight& w, const Tensor& bias, const LoraGroup& lora,
                   const LoraGroup& beside = {});
// The lengths (n) f64 of the rows that each part adapts, with what is beside it; outside autograd.
std::vector<Tensor> adapted_lengths(const Weight& w, const LoraGroup& lora, const LoraGroup& beside = {});
// Columns of z (N, O) scaled by magnitude / length, others as they are, and the bias (O, or absent) added.   -> (N, O)
Tensor dora(const Tensor& z, const Tensor& bias, const std::vector<DoraPart>& parts);

Tensor add(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor scale(const Tensor& x, double alpha);

Tensor gelu(const Tensor& x);        // x Phi(x), by erf
Tensor gelu_tanh(const Tensor& x);   // nearly the same, by tanh
Tensor quick_gelu(const Tensor& x);  // x sigmoid(1.702 x)
Tensor relu(const Tensor& x);        // max(x, 0)
Tensor tanh(const Tensor& x);
// silu(gate) * up.   x (N, 2 F): gate | up -> (N, F)
Tensor swiglu(const Tensor& x);
// gelu(gate) * up, gelu by tanh.   x (N, 2 F): gate | up -> (N, F)
Tensor geglu(const Tensor& x);
// cap tanh(x / cap): nearly x where it is small, never beyond the cap
Tensor soft_cap(const Tensor& x, double cap);

// Each column kept with probability 1 - p and divided by it.   x (N, C) -> (N, C)
Tensor dropout(const Tensor& x, const Dropout& dropout);
// x (N, C), w (C), b (C) -> (N, C)
Tensor layer_norm(const Tensor& x, const Tensor& w, const Tensor& b, double eps);
// layer_norm(residual + dropout(x)) as one op.
Tensor dropout_add_layer_norm(const Tensor& x, const Tensor& residual, const Tensor& w, const Tensor& b, double eps,
                              const Dropout& dropout);
// y = w * x / sqrt(mean(x^2) + eps).   x (N, C), w (C) -> (N, C)
Tensor rms_norm(const Tensor& x, const Tensor& w, double eps);
// rms_norm of each of the first heads of the rows, by offset + weight; other columns stay as they are.
// x (N, heads HD or more) -> as x
Tensor head_norm(const Tensor& x, const HeadNorm& norm, double eps, double offset = 0);
// residual + x, and its norm, as one op.   x, residual (N, C)
AddNorm add_rms_norm(const Tensor& x, const Tensor& residual, const Tensor& w, double eps);
AddNorm add_layer_norm(const Tensor& x, const Tensor& residual, const Tensor& w, const Tensor& b, double eps);
// Rotates the first `heads` heads of each row by its position, in x's own memory if the caller moved its only handle
// in. frequencies (HD/2) f32, or (tables, HD/2) with each row's table (N) i32, which is not checked. Where a head has
// more columns (head_dim) than frequencies turn, the first ones are rotated. factor: of all cosines and sines.
// x (N, heads HD or more), position (N) i32 -> as x
Tensor rope(Tensor x, const Tensor& position, const Tensor& frequencies, int64_t heads, const Tensor& table = {},
            int64_t head_dim = 0, double factor = 1);

// Rows of `table` (V, C) by ids (N) i32 -> (N, C). Throws Error on an id outside [0, V).
Tensor embedding(const Tensor& ids, const Tensor& table);
// The same as `dtype`, where a frozen table may be in bf16 or in blocks.
Tensor embedding(const Tensor& ids, const Weight& table, DType dtype);
// Rows of x (N, C) by index (K) i32 -> (K, C). The heads of segments, the masked positions of a text.
Tensor gather_rows(const Tensor& x, const Tensor& index);
// Columns [first, first + C) of x (K, first + C or more) into rows of y (N, C), by index (K) i32. Without gradient: for
// caches of keys and values.
void scatter_rows(const Tensor& y, const Tensor& x, const Tensor& index, int64_t first_column);

// x with some of its rows exchanged, in x's own memory if the caller moved its only handle in.   x (N, C), rows (K, C),
// index (K) i32, no row twice -> (N, C)
Tensor replace_rows(Tensor x, const Tensor& rows, const Tensor& index);
// The mean row of each segment; 0 for one without rows.   x (N, C), cu (S+1) i32 -> (S, C)
Tensor segment_mean(const Tensor& x, const Tensor& cu);
// Square patches of pictures as rows, columns in the order of a convolution's weight. Without gradient.
// x (S, D, H, W) -> (S (H/patch) (W/patch), D patch patch)
Tensor patchify(const Tensor& x, int64_t patch);

// softmax(scale q k^T) v inside each segment.   qkv (N, (NH + 2 NKV) HD): q | k | v -> (N, NH HD)
Tensor attention(const Tensor& qkv, const AttentionOptions& options);
// The same with queries of their own.   q (NQ, NH HD), kv (N, 2 NKV HD): k | v -> (NQ, NH HD). Where no gradient is
// asked for, q may be wider: its first columns are read.
Tensor attention(const Tensor& q, const Tensor& kv, const AttentionOptions& options);

// scale * sum over rows of the negative log-likelihood.   logits (N, V), targets (N) i32 -> (1)
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options);
// cross_entropy of the logits x W^T, a chunk of rows at a time; rows without a target are not multiplied.
// x (N, C), w (V, C), targets (N) i32 -> (1)
Tensor linear_cross_entropy(const Tensor& x, const Weight& w, const Tensor& targets,
                            const LinearCrossEntropyOptions& options);
// How many of N rows of V logits a loss makes at a time: 32 million numbers; on a GPU 1,024 to 2,048 rows, for each
// chunk reads all of W, as equal as whole tiles of a product can be.
int64_t logits_rows(const Context& context, int64_t N, int64_t V);
// scale * sum of (x - target)^2.   x (N, 1) or (N), target of the same size -> (1)
Tensor mse(const Tensor& x, const Tensor& target, double scale);

}  // namespace ops
}  // namespace lowland
