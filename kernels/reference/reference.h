// The slow truth beside the fast: every op of kernels/*.h in plain loops over doubles, with the formulas and letters of
// its header. Here an op is read first, and against this every backend is proved. In NAME.cpp, for each NAME.h that
// computes; frozen_matmul is a matmul by the converted weight.
//
// Arrays are dense and row-major, sizes as in the op's header. Results are returned: where a kernel adds (+=), the
// summand. A backward takes dy, the inputs, and what the forward saved.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/adamw.h"
#include "kernels/attention.h"
#include "kernels/cross_entropy.h"
#include "kernels/dropout.h"
#include "kernels/head_norm.h"
#include "kernels/ivon.h"
#include "kernels/lora_linear.h"
#include "kernels/matmul.h"
#include "kernels/patchify.h"
#include "kernels/replace_rows.h"
#include "kernels/resample.h"
#include "kernels/rope.h"
#include "kernels/sam.h"
#include "kernels/sgd.h"

namespace lowland::reference {

using Values = std::vector<double>;
using Ids = std::vector<int32_t>;
using Bytes = std::vector<uint8_t>;

// Norms. h: the row before weight and bias. Layer norm goes back from h, which dropout_add_layer_norm saves.
struct RmsNorm {
  Values y, rstd;
};
struct RmsNormGradients {
  Values dx, dw;
};
RmsNorm rms_norm_forward(const Values& x, const Values& w, int64_t N, int64_t C, double eps);
RmsNormGradients rms_norm_backward(const Values& dy, const Values& x, const Values& w, const Values& rstd, int64_t N,
                                   int64_t C);
struct HeadNormGradients {
  Values dx, dwq, dwk;
};
RmsNorm head_norm_forward(const Values& x, const Values& wq, const Values& wk, const HeadNormShape& shape);
HeadNormGradients head_norm_backward(const Values& dy, const Values& x, const Values& wq, const Values& wk,
                                     const Values& rstd, const HeadNormShape& shape);
struct LayerNorm {
  Values y, h, mean, rstd;
};
struct LayerNormGradients {
  Values dx, dw, db;
};
LayerNorm layer_norm_forward(const Values& x, const Values& w, const Values& b, int64_t N, int64_t C, double eps);
LayerNormGradients layer_norm_backward(const Values& dy, const Values& h, const Values& w, const Values& rstd,
                                       int64_t N, int64_t C);
// Of z = residual + x, which goes on: dz, what its other readers gave, is in the gradient of both.
struct AddRmsNorm {
  Values z, y, rstd;
};
AddRmsNorm add_rms_norm_forward(const Values& x, const Values& residual, const Values& w, int64_t N, int64_t C,
                                double eps);
RmsNormGradients add_rms_norm_backward(const Values& dz, const Values& dy, const Values& z, const Values& w,
                                       const Values& rstd, int64_t N, int64_t C);
struct AddLayerNorm {
  Values z, y, h, mean, rstd;
};
AddLayerNorm add_layer_norm_forward(const Values& x, const Values& residual, const Values& w, const Values& b,
                                    int64_t N, int64_t C, double eps);
LayerNormGradients add_layer_norm_backward(const Values& dz, const Values& dy, const Values& h, const Values& w,
                                           const Values& rstd, int64_t N, int64_t C);
struct DropoutAddLayerNormGradients {
  Values dx, dresidual, dw, db;
};
LayerNorm dropout_add_layer_norm_forward(const Values& x, const Values& residual, const Values& w, const Values& b,
                                         const DropoutRows& rows, int64_t N, int64_t C, double eps);
DropoutAddLayerNormGradients dropout_add_layer_norm_backward(const Values& dy, const Values& h, const Values& w,
                                                             const Values& rstd, const DropoutRows& rows, int64_t N,
                                                             int64_t C);

// Element by element.
Values gelu_forward(const Values& x);
Values gelu_backward(const Values& dy, const Values& x);
Values quick_gelu_forward(const Values& x);
Values quick_gelu_backward(const Values& dy, const Values& x);
Values relu_forward(const Values& x);
Values relu_backward(const Values& dy, const Values& y);
Values tanh_forward(const Values& x);
Values tanh_backward(const Values& dy, const Values& y);
Values silu_forward(const Values& x);  // of swiglu's gate
Values silu_backward(const Values& dy, const Values& x);
Values swiglu_forward(const Values& x, int64_t N, int64_t F);
Values swiglu_backward(const Values& dy, const Values& x, int64_t N, int64_t F);
Values gelu_tanh_forward(const Values& x);
Values gelu_tanh_backward(const Values& dy, const Values& x);
Values geglu_forward(const Values& x, int64_t N, int64_t F);
Values geglu_backward(const Values& dy, const Values& x, int64_t N, int64_t F);
Values soft_cap_forward(const Values& x, double cap);
Values soft_cap_backward(const Values& dy, const Values& y, double cap);
Values add(const Values& a, const Values& b);
Values mul(const Values& a, const Values& b);
Values scale(const Values& x, double alpha);
double sum_squares(const Values& x);
double mse_forward(const Values& x, const Values& t, double scale);
Values mse_backward(double dloss, const Values& x, const Values& t, double scale);

// Random draws: `scale` where the draw of column c is at least `drop_below`, else 0. Columns are counted from those of
// block `first_block` on (kernels/common/philox.h).
double keep_factor(const PhiloxSource& draws, int32_t example, int32_t position, uint32_t first_block, int64_t c,
                   uint32_t drop_below, double scale);
Values dropout_mask(const DropoutRows& rows, int64_t N, int64_t C);  // k (N, C)
Values dropout_forward(const Values& x, const DropoutRows& rows, int64_t N, int64_t C);

// Rows by index.
Values embedding_forward(const Ids& ids, const Values& table, int64_t N, int64_t C);
Values embedding_backward(const Values& dy, const Ids& ids, int64_t N, int64_t V, int64_t C);
Values gather_rows_forward(const Values& x, const Ids& index, int64_t K, int64_t C);
Values gather_rows_backward(const Values& dy, const Ids& index, int64_t N, int64_t K, int64_t C);
void scatter_rows_forward(Values& y, const Values& x, const Ids& index, int64_t K, int64_t C, int64_t stride);
struct ReplaceRowsGradients {
  Values dx, drows;
};
Values replace_rows_forward(const Values& x, const Values& rows, const Ids& index, const ReplaceRowsShape& shape);
ReplaceRowsGradients replace_rows_backward(const Values& dy, const Ids& index, const ReplaceRowsShape& shape);
Values segment_mean_forward(const Values& x, const Ids& cu, int64_t S, int64_t C);
Values segment_mean_backward(const Values& dy, const Ids& cu, int64_t S, int64_t N, int64_t C);
// rounded: angles as f32, which the kernels of f32 and bf16 take the sine of.
Values rope_forward(const Values& x, const Ids& position, const std::vector<float>& f, const RopeShape& shape,
                    bool rounded = false);
Values rope_backward(const Values& dx, const Ids& position, const std::vector<float>& f, const RopeShape& shape,
                     bool rounded = false);

// Pictures.
Values patchify_forward(const Values& x, const PatchifyShape& shape);
Bytes resample_width(const Bytes& x, const ResampleTable& table, int64_t rows, int64_t in_width);
Bytes resample_height(const Bytes& x, const ResampleTable& table, int64_t columns);

// Products. The b of linear may be empty.
struct MatmulGradients {
  Values dA, dB;
};
Values matmul(const Values& A, const Values& B, const MatmulShape& shape, double alpha = 1, double beta = 0,
              Values C = {});
MatmulGradients matmul_backward(const Values& dC, const Values& A, const Values& B, const MatmulShape& shape,
                                double alpha = 1);
Values gram_rows(const Values& x, const Values& y, int64_t r, int64_t m);
Values gram_columns(const Values& x, const Values& y, int64_t n, int64_t r);
Values bias_forward(const Values& y, const Values& b, int64_t N, int64_t C);
Values bias_backward(const Values& dy, int64_t N, int64_t C);
// dora of all columns; q as a constant.
struct DoraGradients {
  Values dz, dm;
};
Values dora_forward(const Values& z, const Values& m, const Values& q, int64_t N, int64_t n);
DoraGradients dora_backward(const Values& dy, const Values& z, const Values& m, const Values& q, int64_t N, int64_t n);
struct LinearGradients {
  Values dx, dW, db;
};
Values linear_forward(const Values& x, const Values& W, const Values& b, int64_t N, int64_t M, int64_t O);
LinearGradients linear_backward(const Values& dy, const Values& x, const Values& W, int64_t N, int64_t M, int64_t O);

// A and B as the forward reads them: A + E_A, B_k + E_k.
struct LoraShape {
  struct Part {
    int64_t row_begin, n, R;
    double s;
  };
  int64_t N, M, O;
  std::vector<Part> parts;
  DropoutRows dropout;
  LoraInput input() const {
    int64_t KR = 0;
    for (const Part& p : parts) KR += p.R;
    return {N, M, KR, dropout};
  }
};
struct LoraDownGradients {
  Values dx, dA;
};
struct LoraGradients {
  Values dx, dW, db, dA;
  std::vector<Values> dB;
};
Values lora_linear_down_forward(const Values& x, const Values& A, const LoraInput& in);
LoraDownGradients lora_linear_down_backward(const Values& dxa, const Values& x, const Values& A, const LoraInput& in);
Values lora_linear_forward(const Values& x, const Values& W, const Values& b, const Values& A,
                           const std::vector<Values>& B, const LoraShape& shape);
LoraGradients lora_linear_backward(const Values& dy, const Values& x, const Values& W, const Values& A,
                                   const std::vector<Values>& B, const LoraShape& shape);

// q (NQ, NH HD), k and v (NK, NKV HD), each a matrix of its own.
struct Attention {
  Values o, lse;
};
struct AttentionGradients {
  Values dq, dk, dv;
};
Attention attention_forward(const Values& q, const Values& k, const Values& v, const AttentionShape& shape);
AttentionGradients attention_backward(const Values& dout, const Attention& saved, const Values& q, const Values& k,
                                      const Values& v, const AttentionShape& shape);

// Losses over a vocabulary.
struct CrossEntropy {
  double loss = 0;
  Values lse;
};
CrossEntropy cross_entropy_forward(const Values& x, const Ids& target, const CrossEntropyShape& shape);
Values cross_entropy_backward(double dloss, const Values& x, const Ids& target, const Values& lse,
                              const CrossEntropyShape& shape);
double linear_cross_entropy_forward(const Values& x, const Values& W, const Ids& target, int64_t C,
                                    const CrossEntropyShape& shape, double cap = 0);
MatmulGradients linear_cross_entropy_backward(double dloss, const Values& x, const Values& W, const Ids& target,
                                              int64_t C, const CrossEntropyShape& shape, double cap = 0);

// The update. EFlat-LoRA: kernels/reference/eflat.h.
void adamw_step(Values& p, Values& m, Values& v, const Values& g, const AdamWOptions& options, const StepScalars& s);
void sgd_step(Values& p, Values& d, const Values& g, const SgdOptions& options, const StepScalars& s);
void ivon_step(Values& p, Values& m, Values& h, const Values& g, const Values& e, const IvonOptions& options,
               const StepScalars& s);  // e: empty where there is no sample
// Returns the squares of each segment.
Values sam_perturbation(Values& e_a, Values& e_b, const Values& g, const SamTable& table, bool joint, double along,
                        const StepScalars& s);
void balance(Values& values, const Values& grads, const SamTable& table, bool by_gradient, const StepScalars& s);

}  // namespace lowland::reference
