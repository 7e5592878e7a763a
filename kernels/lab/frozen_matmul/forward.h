// frozen_matmul (contract: kernels/frozen_matmul.h), bf16, y = x W^T with W in blocks.
#pragma once
#include "kernels/cuda/frozen_matmul_block.h"
#include "kernels/lab/lab.h"

namespace lowland::lab {

// Sums of x's rows [m0, m0 + kRows) and column n of y; the numbers of W are rounded to bf16, as tensor cores take them.
template <int kRows>
LL_HD void add_products(float (&sums)[kRows], const cuda::FrozenProduct& p, int64_t m0, int64_t n) {
  const uint8_t* row = p.blocks + n * row_bytes(p.type, p.K);
  for (int64_t k0 = 0; k0 < p.K; k0 += cuda::kDecodedPart) {
    float w[cuda::kDecodedPart];
    cuda::decode_part(p.type, w, row, p.K, k0);
    LL_UNROLL for (int k = 0; k < cuda::kDecodedPart; ++k) w[k] = static_cast<float>(bf16(w[k]));
    LL_UNROLL for (int m = 0; m < kRows; ++m) {
      if (m0 + m >= p.M) continue;
      const bf16* x = p.A + (m0 + m) * p.lda + k0;
      LL_UNROLL for (int k = 0; k < cuda::kDecodedPart; ++k) if (k0 + k < p.K) sums[m] += at(x, k) * w[k];
    }
  }
}

// Every thread decodes a row of W for one number of y.
struct FrozenMatmul1ThreadPerNumber {
  static constexpr int kThreads = 128;
  cuda::FrozenProduct p;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    b.each([&](int t) {
      const int64_t i = b.index() * kThreads + t;
      if (i >= p.M * p.N) return;
      float sum[1] = {};
      add_products(sum, p, i / p.N, i % p.N);
      cuda::put_product(p, i / p.N, i % p.N, sum[0]);
    });
  }
};

// A decoded number serves eight rows of x; but all threads read all of x, and W's rows a thread each.
struct FrozenMatmul2EightRows {
  static constexpr int kThreads = 128, kRows = 8;
  cuda::FrozenProduct p;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    b.each([&](int t) {
      const int64_t i = b.index() * kThreads + t, m0 = i / p.N * kRows, n = i % p.N;
      if (m0 >= p.M) return;
      float sums[kRows] = {};
      add_products(sums, p, m0, n);
      LL_UNROLL for (int m = 0; m < kRows; ++m) if (m0 + m < p.M) cuda::put_product(p, m0 + m, n, sums[m]);
    });
  }
};

template <int MT> struct FrozenMatmul3Engine {
  static constexpr int kThreads = cuda::kMmaThreads, kMT = MT;
  cuda::FrozenProduct p;
  template <class Block> LL_HD void operator()(Block& b, uint8_t* shared) const {
    cuda::FrozenMma<Block, MT, true>(b, p, shared).run();
  }
};

struct FrozenSizes {
  BlockType type;
  int64_t M, N, K;
};

template <class Lab> void frozen_matmul_forward(Lab& lab, const FrozenSizes& s) {
  const auto size = [](int64_t a, int64_t b) { return static_cast<double>(a) * static_cast<double>(b); };
  const int64_t row = row_bytes(s.type, s.K);
  Experiment e{
      .op = "frozen_matmul forward",
      .shape = std::to_string(s.M) + " x " + std::to_string(s.K) + " by " + name_of(s.type) + " " + std::to_string(s.N),
      .bytes = size(s.N, row) + 2 * size(s.M, s.N + s.K),
      .flops = 2 * size(s.M, s.N) * static_cast<double>(s.K),
      .tolerance = 1.0 / 100};
  if (!lab.opens(e)) return;
  using Real = typename Lab::Real;
  const auto x = random_values<bf16>(s.M * s.K, 1);
  const auto numbers = random_values<float>(s.N * s.K, 2, 1 / std::sqrt(static_cast<float>(s.K)));
  std::vector<std::byte> packed(s.N * row);
  std::vector<bf16> rounded(s.N * s.K);
  std::vector<float> decoded(s.K);
  for (int64_t n = 0; n < s.N; ++n) {
    encode_row(s.type, numbers.data() + n * s.K, s.K, packed.data() + n * row);
    decode_row(s.type, packed.data() + n * row, s.K, 0, s.K, decoded.data());
    for (int64_t k = 0; k < s.K; ++k) rounded[n * s.K + k] = bf16(decoded[k]);
  }
  const MatmulShape shape{.trans_b = Trans::yes, .M = s.M, .N = s.N, .K = s.K, .lda = s.K, .ldb = s.K, .ldc = s.N};
  std::vector<Real> want(s.M * s.N);
  cpu_v3::matmul<Real>(lab.cpu(), want.data(), to_real<Real>(x).data(), to_real<Real>(rounded).data(), shape, Real(1),
                       Real(0));
  typename Lab::template Array<bf16> y(s.M * s.N);
  const typename Lab::template Array<bf16> gx(x), gw(rounded);
  const typename Lab::template Array<std::byte> blocks(packed);
  cuda::FrozenProduct p = cuda::frozen_product(y.data(), gx.data(), blocks.data(), s.type, shape, 1, 0);
  typename Lab::template Array<float> partial(p.parts * s.M * s.N);
  e.prepare = [&] { y.poison(); };
  e.error = [&] { return largest_error(y.download(), want); };
  e.versions = {
      {"1 thread per number", [&] { lab.launch(blocks_of(s.M * s.N, 128), 0, FrozenMatmul1ThreadPerNumber{p}); }},
      {"2 decoded once for eight rows",
       [&] { lab.launch(blocks_of(blocks_of(s.M, 8) * s.N, 128), 0, FrozenMatmul2EightRows{p}); }},
      {"3 tensor cores over decoded tiles (the engine's)", [&] {
         if constexpr (Lab::kDevice) {
           cuda::frozen_matmul<bf16>(lab.gpu(), y.data(), gx.data(), blocks.data(), s.type, shape, 1, 0);
         } else {
           p.partial = p.parts > 1 ? partial.data() : nullptr;
           const auto run = [&](auto body) {
             using Tiles = cuda::FrozenMma<typename Lab::template Block<cuda::kMmaThreads>, decltype(body)::kMT, true>;
             lab.launch(Tiles::blocks(p), Tiles::kShared, body);
           };
           cuda::frozen_row_tiles(s.M) == 1 ? run(FrozenMatmul3Engine<1>{p}) : run(FrozenMatmul3Engine<2>{p});
           for (int64_t i = 0; p.parts > 1 && i < s.M * s.N; ++i) cuda::add_frozen_parts(p, i);
           p.partial = nullptr;
         }
       }}};
  if constexpr (Lab::kDevice)
    e.versions.push_back({"4 cuBLASLt on W in bf16, 16 bits a number",
                          [&] { cuda::matmul<bf16>(lab.gpu(), y.data(), gx.data(), gw.data(), shape, 1.0f, 0.0f); }});
  lab.measure(e);
}

template <class Lab> void frozen_matmul_forward_versions(Lab& lab) {
  for (const BlockType type : {DType::nf4, DType::q4_0, DType::q8_0, DType::int8})
    for (const int64_t M : {1, 16, 256}) frozen_matmul_forward(lab, FrozenSizes{type, M, 4096, 4096});
  if constexpr (!Lab::kDevice) {
    frozen_matmul_forward(lab, FrozenSizes{DType::nf4, 5, 70, 640});
    frozen_matmul_forward(lab, FrozenSizes{DType::int8, 67, 33, 71});
  }
}

}  // namespace lowland::lab
