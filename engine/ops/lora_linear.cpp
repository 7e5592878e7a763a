#include "kernels/lora_linear.h"

#include "engine/ops/dropout_rows.h"
#include "engine/ops/row_lengths.h"
#include "kernels/weight_noise.h"

namespace lowland::ops {
namespace {

bool any_b_requires_grad(const LoraGroup& lora) {
  for (const LoraPart& part : lora.parts)
    if (part.b.requires_grad()) return true;
  return false;
}

void check_lora(const OpScope& op, const Tensor& x, int64_t O, const LoraGroup& lora) {
  op.check(!lora.parts.empty(), "the group must have a part", "linear is the op without adapters");
  int64_t KR = 0;
  for (size_t k = 0; k < lora.parts.size(); ++k) {
    const LoraPart& part = lora.parts[k];
    const bool good = part.b.defined() && part.b.rank() == 2 && part.b.dim(1) >= 1 && part.row_begin >= 0 &&
                      part.row_begin + part.b.dim(0) <= O && part.b.dtype() == x.dtype();
    if (!good)
      op.check(false,
               fmt::format("b of part {} must be (n, R) in the dtype of x with rows [{}, {} + n) inside w, it is {}", k,
                           part.row_begin, part.row_begin, describe(part.b))
                   .c_str());
    KR += part.b.dim(1);
    const Tensor& e = part.b_perturbation;
    if (e && (e.shape() != part.b.shape() || e.dtype() != x.dtype()))
      op.check(false,
               fmt::format("the perturbation of part {} is {}, b is {}", k, describe(e), describe(part.b)).c_str());
  }
  op.check(lora.a.defined() && lora.a.shape() == Shape{KR, x.dim(1)}, "a must be (sum of the parts' ranks, M)");
  op.check(lora.a.dtype() == x.dtype(), "a must have the dtype of x");
  op.check(!lora.a_perturbation ||
               (lora.a_perturbation.shape() == lora.a.shape() && lora.a_perturbation.dtype() == x.dtype()),
           "the perturbation of a must have its shape and dtype");
}

// True if the parts' rows, in their order, are all of w's.
bool parts_cover(const LoraGroup& lora, int64_t O) {
  int64_t next = 0;
  for (const LoraPart& part : lora.parts) {
    if (part.row_begin != next) return false;
    next += part.b.dim(0);
  }
  return next == O;
}

// y[:, rows of k] = scale * xa_k B'^T + beta y
void multiply_parts(const Tensor& y, const Tensor& xa, const LoraGroup& lora, double beta) {
  const int64_t N = y.dim(0), O = y.dim(1), KR = xa.dim(1);
  int64_t first = 0;  // of the part's columns in xa
  for (const LoraPart& part : lora.parts) {
    const int64_t R = part.b.dim(1);
    const Tensor b = perturbed(part.b, part.b_perturbation);  // (n, R)
    const MatmulShape shape{.trans_b = Trans::yes, .M = N, .N = b.dim(0), .K = R, .lda = KR, .ldb = R, .ldc = O};
    LL_LAUNCH(y, matmul, y.data<T>() + part.row_begin, xa.data<T>() + first, b.data<T>(), shape,
              static_cast<acc_t<T>>(part.scale), static_cast<acc_t<T>>(beta));
    first += R;
  }
}

// dB_k += scale * dy_k^T xa_k, and dxa_k = scale * dy_k B' if dxa is there.
void parts_backward(const Tensor& dxa, const Tensor& dy, const Tensor& xa, const LoraGroup& lora) {
  const int64_t N = dy.dim(0), O = dy.dim(1), KR = lora.a.dim(0);
  int64_t first = 0;
  for (const LoraPart& part : lora.parts) {
    const int64_t n = part.b.dim(0), R = part.b.dim(1);
    if (dxa) {
      const Tensor b = perturbed(part.b, part.b_perturbation);  // (n, R)
      const MatmulShape shape{.M = N, .N = R, .K = n, .lda = O, .ldb = R, .ldc = KR};
      LL_LAUNCH(dy, matmul, dxa.data<T>() + first, dy.data<T>() + part.row_begin, b.data<T>(), shape,
                static_cast<acc_t<T>>(part.scale), acc_t<T>(0));
    }
    if (part.b.requires_grad()) {
      const Sink db = sink(part.b);  // (n, R)
      const MatmulShape shape{.trans_a = Trans::yes, .M = n, .N = R, .K = N, .lda = O, .ldb = KR, .ldc = R};
      LL_LAUNCH(dy, matmul_acc, db.into.data<acc_t<T>>(), dy.data<T>() + part.row_begin, xa.data<T>() + first, shape,
                static_cast<acc_t<T>>(part.scale), static_cast<acc_t<T>>(db.beta));
    }
    first += R;
  }
}

void lora_backward(const Tensor& x, const Tensor& xa, const LoraGroup& lora, const LoraInput& in, const Tensor& dy) {
  const bool down = x.requires_grad() || lora.a.requires_grad();
  const Tensor dxa = down ? Tensor::empty(dy.context(), {in.N, in.KR}, dy.dtype()) : Tensor();  // (N, KR)
  parts_backward(dxa, dy, xa, lora);
  if (!down) return;
  const Tensor a = perturbed(lora.a, lora.a_perturbation);                    // (KR, M)
  const Tensor da = lora.a.requires_grad() ? accumulator(lora.a) : Tensor();  // (KR, M)
  const Sink dx = x.requires_grad() ? sink(x) : Sink{};                       // (N, M)
  LL_LAUNCH(dy, lora_linear_down_backward, dx.into.data<T>(), da.data<acc_t<T>>(), dxa.data<T>(), x.data<T>(),
            a.data<T>(), in, static_cast<acc_t<T>>(dx.beta));
}

// Of the pairs of one group.
void count_work(const Tensor& x, const LoraGroup& lora, double& forward, double& backward) {
  const double down = product_flops(x, lora.a.dim(0));
  double up = 0;
  for (const LoraPart& part : lora.parts)
    up += 2.0 * static_cast<double>(x.dim(0)) * static_cast<double>(part.b.numel());
  forward += down + up;
  backward += (x.requires_grad() ? down : 0) + down + 2 * up;
}

// A group with what its backward reads.
struct Pairs {
  LoraGroup lora;
  LoraInput in;
  Tensor xa;  // (N, KR)
};

Pairs pairs_down(const Tensor& x, const LoraGroup& lora, const DropoutRows& dropout) {
  Pairs pairs{lora, {.N = x.dim(0), .M = x.dim(1), .KR = lora.a.dim(0), .dropout = dropout}, {}};
  pairs.xa = Tensor::empty(x.context(), {pairs.in.N, pairs.in.KR}, x.dtype());  // (N, KR)
  const Tensor a = perturbed(lora.a, lora.a_perturbation);                      // (KR, M)
  LL_LAUNCH(x, lora_linear_down_forward, pairs.xa.data<T>(), x.data<T>(), a.data<T>(), pairs.in);
  return pairs;
}

// The weight as the forward reads it: with noise on the rows of each part, whose lengths (n, f64) are taken where `q`
// has none yet.
Weight noisy_weight(const Tensor& x, const Weight& w, const LoraGroup& lora, std::vector<Tensor>& q) {
  const int64_t M = x.dim(1);
  const Tensor y = Tensor::empty(x.context(), {w.rows(), M}, x.dtype());  // (O, M)
  w.each_piece([&](const Tensor& piece, int64_t row) { y.slice_rows(row, row + piece.dim(0)).copy_from(piece); });
  const bool first_time = q.empty();
  int64_t first = 0;  // of the part's rows in a
  for (size_t k = 0; k < lora.parts.size(); ++k) {
    const LoraPart& part = lora.parts[k];
    const int64_t n = part.b.dim(0), R = part.b.dim(1);
    const Tensor rows = y.slice_rows(part.row_begin, part.row_begin + n);  // (n, M)
    const NoiseShape shape{n, M, R, part.scale, lora.noise.first_row + part.row_begin};
    if (first_time) {
      const Tensor a = lora.a.slice_rows(first, first + R);  // (R, M)
      q.push_back(row_lengths_with_pair(rows, a, part.b, part.scale));
    }
    LL_LAUNCH(x, weight_noise, rows.data<T>(), rows.data<T>(), q[k].data<double>(), lora.noise.rho, shape,
              lora.noise.draws);
    first += R;
  }
  return y;
}

}  // namespace

Tensor lora_linear(const Tensor& x, const Weight& w, const Tensor& bias, const LoraGroup& lora,
                   const LoraGroup& beside) {
  OpScope op("lora_linear", {{"x", &x}, {"w", &w.data}, {"bias", &bias}, {"a", &lora.a}});
  check_linear(op, x, w, bias);
  check_lora(op, x, w.rows(), lora);
  const double whole = product_flops(x, w.rows());
  double forward = whole, backward = (x.requires_grad() ? whole : 0) + (w.data.requires_grad() ? whole : 0);
  count_work(x, lora, forward, backward);
  if (!beside.parts.empty()) {
    check_lora(op, x, w.rows(), beside);
    count_work(x, beside, forward, backward);
  }
  op.computes(forward, backward);
  const DropoutRows dropout = dropout_rows(op, lora.dropout, x.dim(0));
  const bool noisy = lora.noise.rho != nullptr;
  op.check(!noisy || !w.data.requires_grad(), "noise is for a frozen weight");
  std::vector<Tensor> q;
  Tensor y = Tensor::empty(x.context(), {x.dim(0), w.rows()}, x.dtype());  // (N, O)
  std::vector<Pairs> all = {pairs_down(x, lora, dropout)};
  const bool first = parts_cover(lora, w.rows());
  if (first) multiply_parts(y, all.front().xa, lora, 0);
  linear_forward(y, x, noisy ? noisy_weight(x, w, lora, q) : w, bias, first ? 1 : 0);
  if (!first) multiply_parts(y, all.front().xa, lora, 1);
  if (!beside.parts.empty()) {
    all.push_back(pairs_down(x, beside, dropout));
    multiply_parts(y, all.back().xa, beside, 1);
  }
  for (Pairs& pairs : all) pairs.xa = keep(pairs.xa, any_b_requires_grad(pairs.lora));
  if (!op.records() && !(any_b_requires_grad(lora) && x.context().tape().recording())) return y;
  op.record(y, [x = keep(x, w.data.requires_grad() || lora.a.requires_grad()), w = keep(w, x.requires_grad()),
                bias = keep(bias, false), all = std::move(all), q = std::move(q)](Tensor dy) mutable {
    for (const Pairs& pairs : all) lora_backward(x, pairs.xa, pairs.lora, pairs.in, dy);
    const bool again = !q.empty() && x.requires_grad();                                 // the same noise
    linear_backward(x, again ? noisy_weight(x, w, all.front().lora, q) : w, bias, dy);  // dx += dy W
  });
  return y;
}

}  // namespace lowland::ops
