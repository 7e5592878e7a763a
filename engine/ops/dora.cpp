#include "kernels/dora.h"

#include <algorithm>

#include "engine/ops/row_lengths.h"

namespace lowland::ops {
namespace {

// c and r of a part, (n) each.
struct DoraScales {
  Tensor c, r;
};

DoraScales scales_of(const DoraPart& part, const Tensor& z) {
  const int64_t n = part.magnitude.numel();
  const DType type = acc_of(z.dtype());
  DoraScales s{Tensor::empty(z.context(), {n}, type), Tensor::empty(z.context(), {n}, type)};
  LL_LAUNCH(z, dora_scales, s.c.data<acc_t<T>>(), s.r.data<acc_t<T>>(), part.magnitude.data<acc_t<T>>(),
            part.length.data<double>(), n);
  return s;
}

bool covers(const std::vector<DoraPart>& parts, int64_t O) {
  int64_t next = 0;
  for (const DoraPart& part : parts) {
    if (part.row_begin != next) return false;
    next += part.magnitude.numel();
  }
  return next == O;
}

// Rows [begin, end) of a weight in this type: a view of them where they lie so, and no copy is asked for.
Tensor rows_of(const Weight& w, int64_t begin, int64_t end, DType type, bool copy) {
  Tensor rows;  // (end - begin, M)
  w.each_piece([&](const Tensor& piece, int64_t row) {
    const int64_t first = std::max(begin, row), last = std::min(end, row + piece.dim(0));
    if (first >= last) return;
    const Tensor some = piece.detach().slice_rows(first - row, last - row);
    if (first == begin && last == end && piece.dtype() == type && !copy) {
      rows = some;
      return;
    }
    if (!rows) rows = Tensor::empty(some.context(), {end - begin, some.dim(1)}, type);
    rows.slice_rows(first - begin, last - begin).copy_from(some);
  });
  return rows;
}

}  // namespace

std::vector<Tensor> adapted_lengths(const Weight& w, const LoraGroup& lora, const LoraGroup& beside) {
  const DType type = lora.a.dtype();
  std::vector<Tensor> lengths;
  int64_t first = 0, first_beside = 0;  // of the part's rows in a
  for (size_t k = 0; k < lora.parts.size(); ++k) {
    const LoraPart& part = lora.parts[k];
    const int64_t n = part.b.dim(0), R = part.b.dim(1), M = lora.a.dim(1);
    const auto a_of = [](const LoraGroup& g, int64_t begin, int64_t rank) {
      return perturbed(g.a.slice_rows(begin, begin + rank),
                       g.a_perturbation ? g.a_perturbation.slice_rows(begin, begin + rank) : Tensor());
    };
    const Tensor rows = rows_of(w, part.row_begin, part.row_begin + n, type, !beside.parts.empty());  // (n, M)
    if (!beside.parts.empty()) {
      const LoraPart& more = beside.parts[k];
      const int64_t R2 = more.b.dim(1);
      const Tensor a = a_of(beside, first_beside, R2), b = perturbed(more.b, more.b_perturbation);
      LL_LAUNCH(rows, matmul, rows.data<T>(), b.data<T>(), a.data<T>(),
                MatmulShape{.M = n, .N = M, .K = R2, .lda = R2, .ldb = M, .ldc = M}, static_cast<acc_t<T>>(more.scale),
                acc_t<T>(1));
      first_beside += R2;
    }
    lengths.push_back(row_lengths_with_pair(rows, a_of(lora, first, R), perturbed(part.b, part.b_perturbation),
                                            part.scale));  // (n)
    first += R;
  }
  return lengths;
}

Tensor dora(const Tensor& z, const Tensor& bias, const std::vector<DoraPart>& parts) {
  OpScope op("dora", {{"z", &z}, {"bias", &bias}});
  op.check(z.rank() == 2 && !parts.empty(), "z must be (N, O), with a part at least");
  const int64_t N = z.dim(0), O = z.dim(1);
  op.check(!bias || (bias.numel() == O && bias.dtype() == z.dtype()), "bias must be (O) in the dtype of z");
  bool learns = false;
  for (const DoraPart& part : parts) {
    const int64_t n = part.magnitude.numel();
    op.check(part.row_begin >= 0 && part.row_begin + n <= O && part.magnitude.dtype() == acc_of(z.dtype()),
             "a part's magnitudes must be numbers of z's columns, in f32 for bf16");
    op.check(part.length.numel() == n && part.length.dtype() == DType::f64, "a part's lengths must be (n) f64");
    learns = learns || part.magnitude.requires_grad();
  }
  op.moves(z, 2, learns ? 3 : 2);
  const bool whole = covers(parts, O);
  Tensor y = whole ? Tensor::empty_like(z) : z.clone();  // (N, O)
  std::vector<DoraScales> scales;
  for (const DoraPart& part : parts) {
    scales.push_back(scales_of(part, z));
    const DoraShape shape{N, part.magnitude.numel(), O};
    LL_LAUNCH(z, dora_forward, y.data<T>() + part.row_begin, z.data<T>() + part.row_begin,
              scales.back().c.data<acc_t<T>>(), shape);
  }
  if (bias) LL_LAUNCH(z, bias_forward, y.data<T>(), bias.data<T>(), N, O);
  if (!op.records() && !(learns && z.context().tape().recording())) return y;
  op.record(y, [z, bias = keep(bias, false), parts, scales, whole, N, O](Tensor dy) {
    if (bias && bias.requires_grad()) {
      const Tensor db = accumulator(bias);  // (O)
      LL_LAUNCH(dy, bias_backward, db.data<acc_t<T>>(), dy.data<T>(), N, O);
    }
    const Tensor dz = whole ? Tensor::empty_like(dy) : dy.clone();  // (N, O)
    for (size_t k = 0; k < parts.size(); ++k) {
      const DoraPart& part = parts[k];
      const DoraShape shape{N, part.magnitude.numel(), O};
      const Tensor dm = part.magnitude.requires_grad() ? accumulator(part.magnitude) : Tensor();  // (n)
      LL_LAUNCH(dy, dora_backward, dz.data<T>() + part.row_begin, dm.data<acc_t<T>>(), dy.data<T>() + part.row_begin,
                z.data<T>() + part.row_begin, scales[k].c.data<acc_t<T>>(), scales[k].r.data<acc_t<T>>(), shape);
    }
    give(z, dz);
  });
  return y;
}

}  // namespace lowland::ops
