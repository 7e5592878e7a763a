#include "kernels/cuda/attention_cudnn.h"

#include <atomic>
#include <cstdio>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "kernels/common/environment.h"
#include "kernels/common/error.h"
#include "kernels/cuda/cudnn/cudnn_plan.h"

namespace lowland::cuda {
namespace {

std::atomic<const char*>& last_engine() {
  static std::atomic<const char*> name{"none"};
  return name;
}

bool wants_cudnn() {
  static const bool wants = [] {
    const std::string engine = environment::kAttention.value();
    if (!engine.empty() && engine != "lowland" && engine != "cudnn")
      fail("[attention] LL_ATTENTION must be lowland or cudnn, got " + engine);
    return engine == "cudnn";
  }();
  return wants;
}

// Says once why cuDNN does not do it. Returns false.
bool decline(const std::string& why) {
  static std::mutex mutex;
  static std::set<std::string> said;
  const std::lock_guard<std::mutex> lock(mutex);
  if (said.insert(why).second)
    std::fprintf(stderr, "attention: cuDNN is not used: %s; lowland's own kernels run instead\n", why.c_str());
  return false;
}

int64_t bucket(int64_t longest, int64_t rows) { return ((longest > 0 ? longest : rows) + 63) / 64 * 64; }

CudnnAttentionShape plan_shape(const AttentionShape& shape, bool backward) {
  CudnnAttentionShape plan;
  plan.S = shape.S;
  plan.NH = shape.NH;
  plan.NKV = shape.NKV;
  plan.HD = shape.HD;
  plan.max_q = bucket(shape.max_q, shape.NQ);
  plan.max_k = bucket(shape.max_k, shape.NK);
  plan.scale = static_cast<float>(shape.scale);
  // Queries end where keys end. With as many of each, the plainer mask says the same.
  plan.mask = !shape.causal              ? CudnnMask::none
              : shape.cu_q == shape.cu_k ? CudnnMask::top_left
                                         : CudnnMask::bottom_right;
  plan.backward = backward;
  return plan;
}

// What does not depend on the plan.
bool fits(const AttentionShape& shape, bool vectors) {
  if (shape.drop_below > 0) return decline("dropout is on");
  if (shape.window > 0) return decline("a sliding window is on");
  if (shape.HD % 8 != 0 || shape.HD > 128)
    return decline("heads of " + std::to_string(shape.HD) + " columns are not multiples of 8 up to 128");
  if (!vectors) return decline("rows do not start at multiples of 16 bytes");
  return shape.S > 0 && shape.NQ > 0 && shape.NK > 0;
}

template <class A, class B> bool overlap(const RowView<A>& a, const RowView<B>& b, int64_t rows) {
  const auto begin = [](const auto& x) { return reinterpret_cast<uintptr_t>(x.data); };
  const auto bytes = [&](const auto& x) { return static_cast<uintptr_t>(rows * x.stride) * sizeof(bf16); };
  return begin(a) < begin(b) + bytes(b) && begin(b) < begin(a) + bytes(a);
}

// Gathers the operands of a plan: pointers, strides and lists of offsets.
class Operands {
 public:
  Operands(Scratch& scratch, const AttentionShape& shape, CudnnAttentionShape& plan)
      : scratch_(scratch), shape_(shape), plan_(plan) {
    lists_.q_length = list(shape.S);
    lists_.k_length = list(shape.S);
    pointers_[kQLength] = lists_.q_length;
    pointers_[kKLength] = lists_.k_length;
  }
  template <class T> void add(CudnnOperand operand, const T* data, int64_t stride, bool of_queries) {
    fits_ = fits_ && (of_queries ? shape_.NQ : shape_.NK) * stride <= INT32_MAX;
    int32_t* offsets = list(shape_.S + 1);
    lists_.offsets[lists_.count++] = {offsets, of_queries ? shape_.cu_q : shape_.cu_k, stride};
    plan_.stride[operand] = stride;
    pointers_[operand] = const_cast<std::remove_const_t<T>*>(data);
    pointers_[kOffsets + operand] = offsets;
  }
  template <class T> void add(CudnnOperand operand, const RowView<T>& rows, bool of_queries) {
    add(operand, rows.data, rows.stride, of_queries);
  }
  bool run(Ctx& ctx) {
    if (!fits_) return decline("offsets do not fit in 32 bits");
    std::string why;
    CudnnAttentionPlan* plan = cudnn_attention_plan(plan_, why);
    if (plan == nullptr) return decline(why);
    // The deterministic backward wants the square of the longest segment, for each segment and head.
    if (cudnn_workspace(*plan) > kMostCudnnWorkspace)
      return decline("it wants more than 4 GB of workspace for a batch");
    fill_ragged_lists(ctx, lists_, shape_);
    void* workspace = scratch_.bytes(cudnn_workspace(*plan));
    if (!cudnn_run(*plan, pointers_, workspace, ctx.stream, why)) return decline(why);
    last_engine() = "cudnn";
    return true;
  }

 private:
  int32_t* list(int64_t n) { return scratch_.array<int32_t>(n); }
  Scratch& scratch_;
  const AttentionShape& shape_;
  CudnnAttentionShape& plan_;
  RaggedLists lists_;
  CudnnPointers pointers_;
  bool fits_ = true;
};

}  // namespace

const char* attention_engine() { return last_engine(); }
void set_attention_engine(const char* name) { last_engine() = name; }

bool cudnn_attention_forward(Ctx& ctx, const ForwardArgs<bf16>& args) {
  const AttentionShape& shape = args.shape;
  if (!wants_cudnn() || !fits(shape, args.vectors)) return false;
  Scratch scratch(ctx);
  CudnnAttentionShape plan = plan_shape(shape, false);
  Operands operands(scratch, shape, plan);
  operands.add(kQ, args.in.q, true);
  operands.add(kK, args.in.k, false);
  operands.add(kV, args.in.v, false);
  operands.add(kO, args.o, true);
  operands.add(kLse, args.lse, shape.NH, true);
  if (!operands.run(ctx)) return false;
  zero_unpaired_rows(ctx, args.o, args.lse, shape.cu_q, shape.cu_k, shape.S, shape.NQ, shape.NH, shape.HD);
  return true;
}

bool cudnn_attention_backward(Ctx& ctx, const BackwardArgs<bf16>& args, const RowView<const bf16>& o) {
  const AttentionShape& shape = args.shape;
  if (!wants_cudnn() || !fits(shape, args.vectors)) return false;
  const AttentionGradients<bf16>& grads = args.grads;
  if (grads.dq.data == nullptr || grads.dk.data == nullptr) return decline("only some of the gradients are wanted");
  if (overlap(grads.dq, args.dout, shape.NQ)) return decline("dq stands in the memory of do");
  Scratch scratch(ctx);
  CudnnAttentionShape plan = plan_shape(shape, true);
  Operands operands(scratch, shape, plan);
  operands.add(kQ, args.in.q, true);
  operands.add(kK, args.in.k, false);
  operands.add(kV, args.in.v, false);
  operands.add(kO, o, true);
  operands.add(kLse, args.lse, shape.NH, true);
  operands.add(kDO, args.dout, true);
  operands.add(kDQ, grads.dq, true);
  operands.add(kDK, grads.dk, false);
  operands.add(kDV, grads.dv, false);
  if (!operands.run(ctx)) return false;
  zero_unpaired_rows(ctx, grads.dq, nullptr, shape.cu_q, shape.cu_k, shape.S, shape.NQ, shape.NH, shape.HD);
  zero_unpaired_rows(ctx, grads.dk, nullptr, shape.cu_k, shape.cu_q, shape.S, shape.NK, shape.NKV, shape.HD);
  zero_unpaired_rows(ctx, grads.dv, nullptr, shape.cu_k, shape.cu_q, shape.S, shape.NK, shape.NKV, shape.HD);
  return true;
}

}  // namespace lowland::cuda
