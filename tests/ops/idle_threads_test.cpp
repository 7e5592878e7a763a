// Threads that are left to other programs change no bit: work is cut by the number of threads there are, not by how
// many run.
#include <doctest/doctest.h>
#include <omp.h>

#include <atomic>

#include "engine/autograd.h"
#include "engine/ops/ops.h"
#include "kernels/common/parallel.h"
#include "tests/ops/harness.h"

namespace lowland {
namespace {

using test::random_values;
using test::Values;

constexpr int64_t kRows = 200, kWidth = 192, kHeads = 4, kVocabulary = 500;

// A small transformer block with a loss; the loss and the gradient of its input.
std::vector<float> block(DType frozen, int idle) {
  Context context({}, 4);
  context.kernels().idle = idle;
  const auto tensor = [&](const Shape& shape, uint64_t seed, double scale) {
    return Tensor::from<double>(context, shape, random_values(numel_of(shape), seed, scale)).to(DType::f32);
  };
  Tensor x = tensor({kRows, kWidth}, 1, 1), a = tensor({8, kWidth}, 2, 0.1), b = tensor({3 * kWidth, 8}, 3, 0.1);
  for (Tensor* t : {&x, &a, &b}) t->set_requires_grad();
  const Tensor qkv = tensor({3 * kWidth, kWidth}, 4, 0.1).to(frozen), head = tensor({kVocabulary, kWidth}, 5, 0.1);
  AttentionOptions options;
  options.heads = options.kv_heads = kHeads;
  options.head_dim = kWidth / kHeads;
  options.cu_q = Tensor::from<int32_t>(context, {3}, {0, 150, kRows});
  std::vector<int32_t> targets(kRows);
  for (size_t i = 0; i < targets.size(); ++i) targets[i] = static_cast<int32_t>(i % kVocabulary);

  const Tensor h = ops::rms_norm(x, tensor({kWidth}, 6, 1), 1e-5);
  LoraGroup lora;
  lora.a = a;
  lora.parts = {{.b = b, .b_perturbation = {}, .row_begin = 0}};
  const Tensor y = ops::gelu(ops::attention(ops::lora_linear(h, qkv, Tensor(), lora), options));
  const Tensor loss =
      ops::linear_cross_entropy(ops::add(x, y), head, Tensor::from<int32_t>(context, {kRows}, targets), {});
  context.tape().backward(loss);
  std::vector<float> all = loss.to_vector<float>();
  for (const Tensor* t : {&x, &a, &b})
    for (const float v : t->grad().to_vector<float>()) all.push_back(v);
  return all;
}

}  // namespace

TEST_CASE("idle threads: a block gives the same bits, forward and backward") {
  for (const DType frozen : {DType::f32, DType::bf16}) {
    const std::vector<float> all = block(frozen, 0);
    for (const int idle : {1, 2, 3}) CHECK(block(frozen, idle) == all);
  }
}

TEST_CASE("idle threads: so many fewer run") {
  Ctx ctx;
  ctx.threads = 4;
  for (int idle = 0; idle < 4; ++idle) {
    ctx.idle = idle;
    std::atomic<int> calls = 0;
    std::atomic<int64_t> items = 0;
    parallel_for(ctx, 1000, 1, [&](int64_t begin, int64_t end) {
      ++calls;
      items += end - begin;
    });
    CHECK(calls == 4 - idle);
    CHECK(items == 1000);
  }
}

}  // namespace lowland
