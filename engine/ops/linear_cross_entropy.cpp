#include "kernels/linear_cross_entropy.h"

#include <algorithm>

#include "engine/ops/linear_parts.h"
#include "kernels/elementwise.h"

namespace lowland::ops {
namespace {

// The rows that carry a target, and how they are cut.
struct Chunks {
  Tensor index;    // (K) i32, absent if every row has a target
  Tensor targets;  // (K) i32
  int64_t K = 0, rows = 0;
  double cap = 0;           // of the logits; 0: none
  CrossEntropyShape shape;  // of the whole
};

Chunks cut(const OpScope& op, const Tensor& x, const Tensor& w, const Tensor& targets,
           const LinearCrossEntropyOptions& options) {
  op.check(targets.defined() && targets.dtype() == DType::i32 && targets.numel() == x.dim(0),
           "targets must be (N) i32, one for each row of x");
  op.check(options.label_smoothing >= 0 && options.label_smoothing <= 1, "label_smoothing must be in [0, 1]");
  op.check(options.soft_cap >= 0, "soft_cap must be above 0, and 0 means none");
  const int64_t N = x.dim(0), V = w.dim(0);
  const int32_t* target = targets.host();
  std::vector<int32_t> index, kept;
  for (int64_t n = 0; n < N; ++n) {
    const bool ignored = target[n] == options.ignore_index;
    if (ignored && x.context().on_cpu()) continue;  // a GPU takes every row: a captured step has no other choice
    LL_CHECK(ignored || (target[n] >= 0 && target[n] < V),
             "[linear_cross_entropy] target {} of row {} is neither in [0, {}) nor the ignored {}", target[n], n, V,
             options.ignore_index);
    index.push_back(static_cast<int32_t>(n));
    kept.push_back(target[n]);
  }
  Chunks c;
  c.K = static_cast<int64_t>(index.size());
  c.targets = targets;
  c.cap = options.soft_cap;
  if (c.K < N) {
    c.index = Tensor::from<int32_t>(x.context(), {c.K}, index);
    c.targets = Tensor::from<int32_t>(x.context(), {c.K}, kept);
  }
  c.rows = options.chunk_rows > 0 ? options.chunk_rows : logits_rows(x.context(), c.K, V);
  c.rows = std::min(c.rows, std::max<int64_t>(c.K, 1));
  c.shape = {.N = c.K,
             .V = V,
             .ignore_index = options.ignore_index,
             .label_smoothing = options.label_smoothing,
             .scale = options.scale};
  return c;
}

// One chunk at a time: its rows of x, and a buffer for its logits.
class Chunk {
 public:
  Chunk(const Tensor& x, const Tensor& w, const Chunks& chunks)
      : x_(x),
        w_(w),
        chunks_(chunks),
        logits_(Tensor::empty(x.context(), {chunks.rows, w.dim(0)}, x.dtype())),
        lse_(Tensor::empty(x.context(), {chunks.rows}, acc_of(x.dtype()))),
        gradient_(logits_) {
    if (chunks.index) gathered_ = Tensor::empty(x.context(), {chunks.rows, x.dim(1)}, x.dtype());
  }

  // The logits of rows [begin, end) of those with a target, and their loss into `loss` (1).
  void forward(int64_t begin, int64_t end, const Tensor& loss) {
    begin_ = begin;
    shape_ = chunks_.shape;
    shape_.N = end - begin;
    rows_ = rows(begin, end);  // (R, C)
    const int64_t C = x_.dim(1), V = w_.dim(0);
    multiply_weight(logits_, rows_, w_,
                    {.trans_b = Trans::yes, .M = shape_.N, .N = V, .K = C, .lda = C, .ldb = C, .ldc = V}, 0);
    const double cap = chunks_.cap;
    if (cap > 0) LL_LAUNCH(x_, soft_cap_forward, logits_.data<T>(), logits_.data<T>(), cap, shape_.N * V);
    LL_LAUNCH(x_, cross_entropy_forward, loss.data<acc_t<T>>(), lse_.data<acc_t<T>>(), logits_.data<T>(), target(),
              shape_);
  }
  // dx (R, C) = dlogits W; without a cap the logits are their gradient from here on.
  void backward(const Tensor& dx, const Tensor& dloss) {
    const int64_t C = x_.dim(1), V = w_.dim(0);
    const double cap = chunks_.cap;
    if (cap > 0 && gradient_.raw() == logits_.raw()) gradient_ = Tensor::empty_like(logits_);
    LL_LAUNCH(x_, cross_entropy_backward, gradient_.data<T>(), dloss.data<acc_t<T>>(), logits_.data<T>(), target(),
              lse_.data<acc_t<T>>(), shape_);
    if (cap > 0)
      LL_LAUNCH(x_, soft_cap_backward, gradient_.data<T>(), gradient_.data<T>(), logits_.data<T>(), cap, shape_.N * V);
    if (dx) multiply_weight(dx, gradient_, w_, {.M = shape_.N, .N = C, .K = V, .lda = V, .ldb = C, .ldc = C}, 0);
  }
  // dw += dlogits^T x, after backward.
  void weight_gradient(const Sink& dw, bool first) {
    const int64_t C = x_.dim(1), V = w_.dim(0);
    const MatmulShape shape{.trans_a = Trans::yes, .M = V, .N = C, .K = shape_.N, .lda = V, .ldb = C, .ldc = C};
    LL_LAUNCH(x_, matmul_acc, dw.into.data<acc_t<T>>(), gradient_.data<T>(), rows_.data<T>(), shape, acc_t<T>(1),
              static_cast<acc_t<T>>(first ? dw.beta : 1.0));
  }

 private:
  Tensor rows(int64_t begin, int64_t end) const {
    if (!chunks_.index) return x_.detach().slice_rows(begin, end);
    LL_LAUNCH(x_, gather_rows_forward, gathered_.data<T>(), x_.data<T>(), chunks_.index.data<int32_t>() + begin,
              end - begin, x_.dim(1));
    return gathered_;
  }
  const int32_t* target() const { return chunks_.targets.data<int32_t>() + begin_; }

  const Tensor &x_, &w_;
  const Chunks& chunks_;
  Tensor logits_, lse_, gradient_, gathered_, rows_;
  CrossEntropyShape shape_;
  int64_t begin_ = 0;
};

// loss (1), and the gradient of the rows with a target for dloss = 1 where `saved` (K, C) is there.
Tensor forward(const Tensor& x, const Tensor& w, const Chunks& chunks, const Tensor& saved) {
  const DType acc = acc_of(x.dtype());
  const Tensor loss = Tensor::zeros(x.context(), {1}, acc), part = Tensor::empty(x.context(), {1}, acc);
  Tensor one;
  if (saved) one = x.context().tape().one(loss);
  Chunk chunk(x, w, chunks);
  for (int64_t begin = 0; begin < chunks.K; begin += chunks.rows) {
    const int64_t end = std::min(begin + chunks.rows, chunks.K);
    chunk.forward(begin, end, part);
    LL_LAUNCH(loss, add_into, loss.data<T>(), part.data<T>(), 1);
    if (saved) chunk.backward(saved.slice_rows(begin, end), one);
  }
  return loss;
}

void give_rows(const Tensor& x, Tensor rows, const Chunks& chunks) {
  if (!chunks.index) return give(x, std::move(rows));
  const Tensor dx = accumulator(x);  // (N, C)
  LL_LAUNCH(dx, gather_rows_backward, dx.data<T>(), rows.data<T>(), chunks.index.data<int32_t>(), chunks.K, dx.dim(1));
}

// With a trained W: every chunk's logits once more.
void backward(const Tensor& x, const Tensor& w, const Chunks& chunks, const Tensor& dloss) {
  Tensor dx;
  if (x.requires_grad()) dx = Tensor::empty(x.context(), {chunks.K, x.dim(1)}, x.dtype());  // (K, C)
  const Sink dw = sink(w);                                                                  // (V, C)
  if (chunks.K == 0 && dw.beta == 0) dw.into.fill_zero();
  const Tensor part = Tensor::empty(x.context(), {1}, acc_of(x.dtype()));
  Chunk chunk(x, w, chunks);
  for (int64_t begin = 0; begin < chunks.K; begin += chunks.rows) {
    const int64_t end = std::min(begin + chunks.rows, chunks.K);
    chunk.forward(begin, end, part);
    chunk.backward(dx ? dx.slice_rows(begin, end) : Tensor(), dloss);
    chunk.weight_gradient(dw, begin == 0);
  }
  if (dx) give_rows(x, std::move(dx), chunks);
}

}  // namespace

int64_t logits_rows(const Context& context, int64_t N, int64_t V) {
  if (!context.captures_steps()) return std::max<int64_t>(64, (int64_t{1} << 25) / V);
  constexpr int64_t kTile = 128, kLeast = 8 * kTile, kMost = 16 * kTile;
  const int64_t most = std::clamp((int64_t{1} << 27) / V / kTile * kTile, kLeast, kMost);
  const int64_t chunks = std::max<int64_t>(1, (N + most - 1) / most);
  return std::max(kTile, (N + chunks * kTile - 1) / (chunks * kTile) * kTile);
}

Tensor linear_cross_entropy(const Tensor& x, const Weight& w, const Tensor& targets,
                            const LinearCrossEntropyOptions& options) {
  OpScope op("linear_cross_entropy", {{"x", &x}, {"w", &w.data}, {"targets", &targets}});
  check_linear(op, x, w, Tensor());
  op.check(w.below.empty(), "w must be in one piece");
  op.check(w.data.dim(0) >= 1, "w must be (V, C), V at least 1");
  const Chunks chunks = cut(op, x, w.data, targets, options);
  const double product = product_flops(x, chunks.shape.V) / static_cast<double>(std::max<int64_t>(x.dim(0), 1)) *
                         static_cast<double>(chunks.K);
  op.computes(product, 0);
  if (!op.records()) return forward(x, w.data, chunks, Tensor());
  if (w.data.requires_grad()) {
    op.check(x.context().tape().loss_gradients() == Tape::LossGradients::fresh,
             "the gradient of a loss is kept by rows of x: w must be frozen for that");
    op.computes(product, 3 * product);
    Tensor loss = forward(x, w.data, chunks, Tensor());
    op.record(loss, [x, w = w.data, chunks](Tensor dloss) { backward(x, w, chunks, dloss); });
    return loss;
  }
  const Tensor saved = Tensor::empty(x.context(), {chunks.K, x.dim(1)}, x.dtype());  // (K, C)
  op.computes(2 * product, 0);
  op.moves(saved, 0, 2);
  Tensor loss = forward(x, w.data, chunks, saved);
  op.record(loss, [x = x.gradient_only(), saved, chunks](Tensor dloss) {
    LL_LAUNCH(saved, linear_cross_entropy_backward, saved.data<T>(), saved.data<T>(), dloss.data<acc_t<T>>(),
              saved.numel());
    give_rows(x, saved.context().tape().loss_gradient(saved), chunks);  // W is the same at both points
  });
  return loss;
}

}  // namespace lowland::ops
