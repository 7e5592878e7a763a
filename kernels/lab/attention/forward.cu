// attention forward (contract: kernels/attention.h), bf16. The floor is the tensor cores, not memory.
#include "kernels/cuda/attention_forward_mma.h"
#include "kernels/cuda/attention_launch.cuh"
#include "kernels/cuda/device_mma.cuh"
#include "kernels/lab/attention/problem.h"

namespace lowland::lab {

// A block whose copies into shared memory are ordinary loads and stores: nothing is under way while it computes.
class WaitingBlock : public cuda::DeviceBlock<cuda::kMmaThreads> {};

}  // namespace lowland::lab

namespace lowland::cuda {

template <> class AsyncCopies<lab::WaitingBlock> {
 public:
  __device__ void copy16(void* to, const void* from, bool valid) {
    *static_cast<uint4*>(to) = valid ? *static_cast<const uint4*>(from) : uint4{};
  }
  __device__ void commit(int) {}
  template <int kPending> __device__ void wait(int) {}
};

}  // namespace lowland::cuda

namespace lowland::lab {
namespace {

using Args = cuda::ForwardArgs<bf16>;

// A thread per query; every thread of a warp reads the same key, out of the caches at best.
template <int HD> __global__ void attention_1_thread_per_query(const __grid_constant__ Args args) {
  const AttentionShape& shape = args.shape;
  const int64_t row = int64_t{blockIdx.x} * blockDim.x + threadIdx.x, h = blockIdx.y, kv = h / (shape.NH / shape.NKV);
  if (row >= shape.NQ) return;
  const int64_t s = row / shape.max_q;
  const cuda::Segment seg = cuda::query_segment(shape, s);
  float q[HD], sum[HD] = {}, top = -INFINITY, weight = 0;
  for (int c = 0; c < HD; ++c) q[c] = static_cast<float>(args.in.q.data[row * args.in.q.stride + h * HD + c]);
  for (int j = 0; j < cuda::visible_keys(seg, shape.causal, static_cast<int>(row) - seg.q0); ++j) {
    const bf16* k = args.in.k.data + (seg.k0 + j) * args.in.k.stride + kv * HD;
    const bf16* v = args.in.v.data + (seg.k0 + j) * args.in.v.stride + kv * HD;
    float score = 0;
    for (int c = 0; c < HD; ++c) score += q[c] * static_cast<float>(k[c]);
    score *= static_cast<float>(shape.scale);
    const float higher = fmaxf(top, score), rescale = expf(top - higher), p = expf(score - higher);
    for (int c = 0; c < HD; ++c) sum[c] = sum[c] * rescale + p * static_cast<float>(v[c]);
    weight = weight * rescale + p;
    top = higher;
  }
  for (int c = 0; c < HD; ++c) args.o.data[row * args.o.stride + h * HD + c] = bf16(sum[c] / weight);
  args.lse[row * shape.NH + h] = top + logf(weight);
}

// 32 keys at a time come to shared memory once for 128 queries.
template <int HD> __global__ void attention_2_shared_keys(const __grid_constant__ Args args) {
  constexpr int kKeys = 32;
  __shared__ float keys[kKeys][HD], values[kKeys][HD];
  const AttentionShape& shape = args.shape;
  const int64_t s = blockIdx.x / args.tiles, h = blockIdx.y, kv = h / (shape.NH / shape.NKV);
  const cuda::Segment seg = cuda::query_segment(shape, s);
  const int i = static_cast<int>(blockIdx.x % args.tiles) * 128 + static_cast<int>(threadIdx.x);
  const bool valid = i < seg.nq;
  const int64_t row = seg.q0 + (valid ? i : 0);
  float q[HD], sum[HD] = {}, top = -INFINITY, weight = 0;
  for (int c = 0; c < HD; ++c) q[c] = static_cast<float>(args.in.q.data[row * args.in.q.stride + h * HD + c]);
  for (int j0 = 0; j0 < seg.nk; j0 += kKeys) {
    __syncthreads();
    for (int at = threadIdx.x; at < kKeys * HD; at += 128) {
      const int j = at / HD, c = at % HD;
      const int64_t key = seg.k0 + (j0 + j < seg.nk ? j0 + j : 0);
      keys[j][c] = static_cast<float>(args.in.k.data[key * args.in.k.stride + kv * HD + c]);
      values[j][c] = static_cast<float>(args.in.v.data[key * args.in.v.stride + kv * HD + c]);
    }
    __syncthreads();
    const int end = valid ? cuda::visible_keys(seg, shape.causal, i) - j0 : 0;
    for (int j = 0; j < kKeys && j < end; ++j) {
      float score = 0;
      for (int c = 0; c < HD; ++c) score += q[c] * keys[j][c];
      score *= static_cast<float>(shape.scale);
      const float higher = fmaxf(top, score), rescale = expf(top - higher), p = expf(score - higher);
      for (int c = 0; c < HD; ++c) sum[c] = sum[c] * rescale + p * values[j][c];
      weight = weight * rescale + p;
      top = higher;
    }
  }
  if (!valid) return;
  for (int c = 0; c < HD; ++c) args.o.data[row * args.o.stride + h * HD + c] = bf16(sum[c] / weight);
  args.lse[row * shape.NH + h] = top + logf(weight);
}

// The engine's body, over a block that waits for its copies or one that does not, with 64 or 128 queries.
template <class Block, int HD, int MT>
__global__ void __launch_bounds__(cuda::kMmaThreads) attention_3_tensor_cores(const __grid_constant__ Args args) {
  extern __shared__ __align__(16) uint8_t shared[];
  Block block;
  cuda::ForwardMma<Block, HD, MT, false>(block, args, shared).run();
}

template <class Block, int HD, int MT> void launch_body(Ctx& ctx, Args args) {
  using Body = cuda::ForwardMma<Block, HD, MT, false>;
  const AttentionShape& shape = args.shape;
  args.tiles = cuda::tiles_of(shape.max_q, shape.NQ, Body::kQueries);
  const auto kernel = attention_3_tensor_cores<Block, HD, MT>;
  cuda::allow_shared(kernel, Body::kShared);
  LL_CUDA_LAUNCH(ctx, (shape.S + 1) * shape.NH * args.tiles, cuda::kMmaThreads, Body::kShared, kernel, args);
}

template <int HD> void measure(Lab& lab, const Problem& p) {
  using DeviceBlock = cuda::DeviceBlock<cuda::kMmaThreads>;
  const auto qkv = random_values<bf16>(p.N() * p.width(), 1);
  const auto cu = p.bounds();
  const auto inputs = to_float(qkv);
  std::vector<float> want(p.N() * p.NH * HD), lse(p.N() * p.NH);
  cpu_v3::attention_forward<float>(lab.cpu(), {want.data(), p.NH * HD}, lse.data(), p.inputs(inputs.data()),
                                   p.shape(cu.data()));
  const DeviceArray<bf16> dqkv(qkv);
  const DeviceArray<int32_t> dcu(cu);
  DeviceArray<bf16> o(p.N() * p.NH * HD);
  DeviceArray<float> dlse(p.N() * p.NH);
  Args args{{o.data(), p.NH * HD}, dlse.data(), p.inputs<bf16>(dqkv.data()), p.shape(dcu.data()), 0, true};
  args.tiles = cuda::tiles_of(p.length, p.N(), 128);
  const int64_t heads = p.NH;
  std::vector<Version> versions;
  if (p.small()) {
    versions.push_back({"1 thread per query", [&](Ctx& ctx) {
                          const dim3 grid(cuda::blocks_for(p.N(), 128), heads);
                          LL_CUDA_LAUNCH(ctx, grid, 128, 0, attention_1_thread_per_query<HD>, args);
                        }});
    versions.push_back({"2 keys in shared memory", [&](Ctx& ctx) {
                          const dim3 grid(p.S * args.tiles, heads);
                          LL_CUDA_LAUNCH(ctx, grid, 128, 0, attention_2_shared_keys<HD>, args);
                        }});
  }
  versions.push_back({"3 tensor cores", [&](Ctx& ctx) { launch_body<WaitingBlock, HD, 1>(ctx, args); }});
  versions.push_back({"4 cp.async, two tiles of keys", [&](Ctx& ctx) { launch_body<DeviceBlock, HD, 1>(ctx, args); }});
  versions.push_back({"5 128 queries a block (the engine's)",
                      [&](Ctx& ctx) { cuda::attention_forward<bf16>(ctx, args.o, args.lse, args.in, args.shape); }});
  lab.measure({.op = "attention forward",
               .shape = p.name(),
               .bytes = 2.0 * static_cast<double>(p.N() * (p.width() + p.NH * HD)),
               .flops = p.flops(2),
               .prepare = [&] { o.poison(); },
               .error = [&] { return largest_error(o.download(), want); },
               .tolerance = 1.0 / 100,
               .versions = versions});
}

}  // namespace

void attention_forward_versions(Lab& lab) {
  measure<64>(lab, kProblems[0]);
  measure<128>(lab, kProblems[1]);
}

}  // namespace lowland::lab
