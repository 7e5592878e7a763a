#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {
namespace {

// Columns of the tensor that holds q, k or v, counted in heads.
struct Columns {
  int64_t q, k, v;
};

void check_bounds(const OpScope& op, const Tensor& cu, int64_t rows, const char* message) {
  op.check(cu.defined() && cu.rank() == 1 && cu.dim(0) >= 1 && cu.dtype() == DType::i32,
           "cu_q and cu_k must be (S+1) i32");
  const int32_t* bounds = cu.host();
  bool rises = bounds[0] == 0;
  for (int64_t s = 0; s + 1 < cu.dim(0); ++s) rises = rises && bounds[s] <= bounds[s + 1];
  op.check(rises && bounds[cu.dim(0) - 1] <= rows, message);
}

// cu_q, cu_k: the host's copies.
void check_segments(const OpScope& op, const AttentionShape& shape, const int32_t* cu_q, const int32_t* cu_k) {
  if (!shape.causal) return;
  bool fits = true;
  for (int64_t s = 0; s < shape.S; ++s) {
    const int32_t nq = cu_q[s + 1] - cu_q[s], nk = cu_k[s + 1] - cu_k[s];
    fits = fits && (nq <= nk || nk == 0);
  }
  op.check(fits, "causal attention needs at least as many keys as queries in every segment");
}

// The most rows of a segment; `given` if it is said and holds.
int64_t longest(const OpScope& op, const Tensor& cu, int64_t given) {
  const int32_t* bounds = cu.host();
  int32_t most = 0;
  for (int64_t s = 0; s + 1 < cu.dim(0); ++s) most = std::max(most, bounds[s + 1] - bounds[s]);
  op.check(given == 0 || most <= given, "a segment is longer than max_q or max_k");
  return given > 0 ? given : most;
}

AttentionShape shape_of(const OpScope& op, const AttentionOptions& options, int64_t NQ, int64_t NK) {
  const Tensor& cu_k = options.cu_k ? options.cu_k : options.cu_q;
  check_bounds(op, options.cu_q, NQ, "cu_q must rise from 0 and end within the rows of the queries");
  check_bounds(op, cu_k, NK, "cu_k must rise from 0 and end within the rows of the keys");
  op.check(options.cu_q.dim(0) == cu_k.dim(0), "cu_q and cu_k must count the same segments");
  AttentionShape shape;
  shape.S = options.cu_q.dim(0) - 1;
  shape.NQ = NQ;
  shape.NK = NK;
  shape.NH = options.heads;
  shape.NKV = options.kv_heads;
  shape.HD = options.head_dim;
  shape.max_q = longest(op, options.cu_q, options.max_q);
  shape.max_k = longest(op, cu_k, options.max_k);
  shape.cu_q = options.cu_q.data<int32_t>();
  shape.cu_k = cu_k.data<int32_t>();
  shape.causal = options.causal;
  op.check(options.window == 0 || (options.causal && options.window > 0),
           "a sliding window belongs to causal attention, and counts from 1");
  shape.window = options.window < shape.max_k ? options.window : 0;  // what hides nothing costs nothing
  shape.scale = options.scale != 0 ? options.scale : 1 / std::sqrt(static_cast<double>(options.head_dim));
  op.check(options.soft_cap >= 0, "a cap of the scores must be above 0, and 0 means none");
  shape.soft_cap = options.soft_cap;
  check_segments(op, shape, options.cu_q.host(), cu_k.host());
  const Dropout& dropout = options.dropout;
  if (!dropout.active()) return shape;
  op.check(dropout.p < 1, "the probability of dropout must be in [0, 1)");
  for (const Tensor* where : {&dropout.example, &dropout.position})
    op.check(where->defined() && where->dtype() == DType::i32 && where->numel() == NQ,
             "dropout needs the example and position of every query row, i32");
  shape.drop_below = drop_threshold(dropout.p);
  shape.keep_scale = 1 / (1 - dropout.p);
  shape.draws = dropout.draws();
  shape.example = dropout.example.data<int32_t>();
  shape.position = dropout.position.data<int32_t>();
  return shape;
}

void check_heads(const OpScope& op, const AttentionOptions& options) {
  op.check(options.heads >= 1 && options.kv_heads >= 1 && options.head_dim >= 1,
           "heads, kv_heads and head_dim must be at least 1");
  op.check(options.heads % options.kv_heads == 0, "kv_heads must divide heads");
}

template <class T> RowView<T> rows_of(const Tensor& x, int64_t column) {
  if (!x) return {};
  return {x.data<std::remove_const_t<T>>() + column, x.dim(1)};
}

template <class T> AttentionInputs<T> inputs_of(const Tensor& q, const Tensor& kv, const Columns& at) {
  return {rows_of<const T>(q, at.q), rows_of<const T>(kv, at.k), rows_of<const T>(kv, at.v)};
}

struct Output {
  Tensor y, lse;
};

Output forward(const Tensor& q, const Tensor& kv, const Columns& at, const AttentionShape& shape) {
  Tensor y = Tensor::empty(q.context(), {shape.NQ, shape.NH * shape.HD}, q.dtype());  // (NQ, NH*HD)
  Tensor lse = Tensor::empty(q.context(), {shape.NQ, shape.NH}, acc_of(q.dtype()));   // (NQ, NH)
  LL_LAUNCH(q, attention_forward, rows_of<T>(y, 0), lse.data<acc_t<T>>(), inputs_of<T>(q, kv, at), shape);
  return {y, lse};
}

// dq and dkv may be absent, or one tensor.
void backward(const Tensor& dq, const Tensor& dkv, const Tensor& dy, const Output& out, const Tensor& q,
              const Tensor& kv, const Columns& at, const AttentionShape& shape) {
  LL_LAUNCH(
      q, attention_backward, AttentionGradients<T>{rows_of<T>(dq, at.q), rows_of<T>(dkv, at.k), rows_of<T>(dkv, at.v)},
      rows_of<const T>(dy, 0), rows_of<const T>(out.y, 0), out.lse.data<acc_t<T>>(), inputs_of<T>(q, kv, at), shape);
}

// Two products over the pairs of query and key that attend; five in the backward.
void count_work(OpScope& op, const AttentionShape& shape, const Tensor& cu_q, const Tensor& cu_k) {
  const int32_t *q = cu_q.host(), *k = cu_k.host();
  double pairs = 0;
  for (int64_t s = 0; s < shape.S; ++s) {
    const double nq = q[s + 1] - q[s], nk = k[s + 1] - k[s];
    pairs += shape.causal && nk > 0 ? nq * nk - nq * (nq - 1) / 2 : nq * nk;
    if (shape.window == 0 || nk <= static_cast<double>(shape.window)) continue;
    const double last = nk - static_cast<double>(shape.window),
                 hiding = std::min(nq, last);  // hidden from each of them
    pairs -= hiding * last - hiding * (hiding - 1) / 2;
  }
  const double product = 2 * pairs * static_cast<double>(shape.NH * shape.HD);
  op.computes(2 * product, 5 * product);
}

bool same_bounds(const Tensor& a, const Tensor& b) {
  return a.defined() && b.defined() && a.dtype() == b.dtype() && a.numel() == b.numel() &&
         std::memcmp(a.host(), b.host(), a.nbytes()) == 0;
}

}  // namespace

Tensor attention(const Tensor& qkv, const AttentionOptions& options) {
  OpScope op("attention", {{"qkv", &qkv}, {"cu_q", &options.cu_q}});
  check_heads(op, options);
  const int64_t HD = options.head_dim, q_width = options.heads * HD, kv_width = options.kv_heads * HD;
  op.check(qkv.rank() == 2 && qkv.dim(1) == q_width + 2 * kv_width,
           "qkv must be (N, (NH + 2 NKV) HD): q, k and v side by side");
  op.check(!options.cu_k || same_bounds(options.cu_q, options.cu_k),
           "queries and keys of one packed matrix have the same segments: cu_k must be absent or equal to cu_q");
  const AttentionShape shape = shape_of(op, options, qkv.dim(0), qkv.dim(0));
  count_work(op, shape, options.cu_q, options.cu_q);
  const Columns at{0, q_width, q_width + kv_width};
  const Output out = forward(qkv, qkv, at, shape);
  Tensor y = out.y;
  if (!op.records()) return y;
  // `options` keeps what `shape` points to.
  op.record(y, [qkv, out, at, shape, options](Tensor dy) {
    Tensor dqkv = Tensor::empty_like(qkv);  // (N, (NH + 2 NKV) HD)
    backward(dqkv, dqkv, dy, out, qkv, qkv, at, shape);
    give(qkv, std::move(dqkv));
  });
  return y;
}

Tensor attention(const Tensor& q, const Tensor& kv, const AttentionOptions& options) {
  OpScope op("attention", {{"q", &q}, {"kv", &kv}, {"cu_q", &options.cu_q}, {"cu_k", &options.cu_k}});
  check_heads(op, options);
  const int64_t HD = options.head_dim, kv_width = options.kv_heads * HD;
  op.check(q.rank() == 2 && (q.dim(1) == options.heads * HD || (q.dim(1) > options.heads * HD && !op.records())),
           "q must be (NQ, NH HD)");
  op.check(kv.rank() == 2 && kv.dim(1) == 2 * kv_width, "kv must be (N, 2 NKV HD): k and v side by side");
  op.check(q.dtype() == kv.dtype(), "q and kv must have one dtype");
  op.check(options.cu_k.defined(), "queries of their own need cu_k beside cu_q");
  const AttentionShape shape = shape_of(op, options, q.dim(0), kv.dim(0));
  count_work(op, shape, options.cu_q, options.cu_k);
  const Columns at{0, 0, kv_width};
  const Output out = forward(q, kv, at, shape);
  Tensor y = out.y;
  if (!op.records()) return y;
  op.record(y, [q, kv, out, at, shape, options](Tensor dy) {
    Tensor dq, dkv;
    if (q.requires_grad()) dq = dy.sole_owner() ? dy : Tensor::empty_like(q);  // (NQ, NH*HD)
    if (kv.requires_grad()) dkv = Tensor::empty_like(kv);                      // (N, 2*NKV*HD)
    backward(dq, dkv, dy, out, q, kv, at, shape);
    if (dq) give(q, std::move(dq));
    if (dkv) give(kv, std::move(dkv));
  });
  return y;
}

}  // namespace lowland::ops
