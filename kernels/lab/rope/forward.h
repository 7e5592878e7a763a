// rope (contract: kernels/rope.h), bf16, in place. The backward is the same kernel.
#pragma once
#include "kernels/cuda/rope_block.h"
#include "kernels/lab/lab.h"

namespace lowland::lab {

struct Rotation {
  bf16* x;
  const int32_t* position;
  const float* f;
  RopeShape s;

  LL_HD void angle(int64_t n, int i, float& sine, float& cosine) const {
    cuda::sine_cosine(cuda::rope_angle(position[n], f[i], 0.0f), sine, cosine);
  }
  LL_HD static void rotate(bf16* low, int half, float sine, float cosine) {
    const float u = at(low, 0), v = at(low, half);
    low[0] = bf16(u * cosine - v * sine);
    low[half] = bf16(v * cosine + u * sine);
  }
};

// Each pair computes its own sine and cosine: some eighty instructions for four bytes.
struct Rope1ThreadPerPair {
  static constexpr int kThreads = 256;
  Rotation a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    const int half = static_cast<int>(a.s.HD) / 2, pairs = static_cast<int>(a.s.heads) * half;
    b.each([&](int t) {
      const int64_t k = b.index() * kThreads + t, n = k / pairs;
      if (n >= a.s.N) return;
      const int head = static_cast<int>(k % pairs) / half, i = static_cast<int>(k % pairs) % half;
      float sine, cosine;
      a.angle(n, i, sine, cosine);
      a.rotate(a.x + n * a.s.stride + head * a.s.HD + i, half, sine, cosine);
    });
  }
};

// One sine and cosine for all heads; but a thread waits for each head's two elements before it asks for the next.
struct Rope2HeadsInALoop {
  static constexpr int kThreads = 256;
  Rotation a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    const int half = static_cast<int>(a.s.HD) / 2;
    b.each([&](int t) {
      const int64_t k = b.index() * kThreads + t, n = k / half;
      if (n >= a.s.N) return;
      const int i = static_cast<int>(k % half);
      float sine, cosine;
      a.angle(n, i, sine, cosine);
      for (int64_t h = 0; h < a.s.heads; ++h) a.rotate(a.x + n * a.s.stride + h * a.s.HD + i, half, sine, cosine);
    });
  }
};

struct Rope3Engine {
  static constexpr int kThreads = cuda::kRopeThreads;
  cuda::RopeRows<bf16> a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t* shared) const {
    cuda::rope_rows<8>(b, reinterpret_cast<float*>(shared), a);
  }
};

struct Heads {
  int64_t q_and_k, v, HD;
};

template <class Lab> void rope_forward(Lab& lab, int64_t N, const Heads& h) {
  const int64_t stride = (h.q_and_k + h.v) * h.HD, rotated = h.q_and_k * h.HD, half = h.HD / 2;
  Experiment e{.op = "rope forward",
               .shape = std::to_string(N) + " x " + std::to_string(rotated) + " bf16",
               .bytes = 4.0 * static_cast<double>(N * rotated),
               .tolerance = 1.0 / 250};
  if (!lab.opens(e)) return;
  using Real = typename Lab::Real;
  const RopeShape shape{N, stride, h.q_and_k, h.HD};
  const auto x = random_values<bf16>(N * stride, 1);
  std::vector<int32_t> position(N);
  for (int64_t n = 0; n < N; ++n) position[n] = static_cast<int32_t>(n % 4096);
  std::vector<float> f(half);
  for (int64_t i = 0; i < half; ++i) f[i] = std::pow(500000.0f, -static_cast<float>(i) / static_cast<float>(half));
  std::vector<Real> want = to_real<Real>(x);
  cpu_v3::rope_forward<Real>(lab.cpu(), want.data(), position.data(), f.data(), shape);
  typename Lab::template Array<bf16> gx(x);
  const typename Lab::template Array<int32_t> gp(position);
  const typename Lab::template Array<float> gf(f);
  const Rotation rotation{gx.data(), gp.data(), gf.data(), shape};
  e.prepare = [&] { gx.upload(x); };
  e.error = [&] { return largest_error(gx.download(), want); };
  e.versions = {
      {"1 thread per pair", [&] { lab.launch(blocks_of(N * h.q_and_k * half, 256), 0, Rope1ThreadPerPair{rotation}); }},
      {"2 heads in a thread's loop", [&] { lab.launch(blocks_of(N * half, 256), 0, Rope2HeadsInALoop{rotation}); }},
      {"3 16 bytes, angles in shared memory (the engine's)", [&] {
         if constexpr (Lab::kDevice) {
           cuda::rope_forward<bf16>(lab.gpu(), gx.data(), gp.data(), gf.data(), shape);
         } else {
           const int64_t rows = cuda::rope_rows_per_block<bf16, 8>(shape);
           lab.launch(blocks_of(N, rows), static_cast<int64_t>(cuda::rope_shared_bytes<bf16>(shape, rows)),
                      Rope3Engine{{gx.data(), gp.data(), gf.data(), shape, rows, 1}});
         }
       }}};
  lab.measure(e);
}

template <class Lab> void rope_forward_versions(Lab& lab) {
  for (const Heads h : {Heads{40, 8, 128}, Heads{40, 8, 64}})  // Llama-3.1-8B; Llama-3.2-1B
    rope_forward(lab, lab.rows_for(4.0 * static_cast<double>(h.q_and_k * h.HD)), h);
  if constexpr (!Lab::kDevice) rope_forward(lab, 37, Heads{5, 2, 80});
}

}  // namespace lowland::lab
