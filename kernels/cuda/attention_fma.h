// What forward and backward do with tiles in float and double, without tensor cores (whose f32 form, TF32, keeps ten
// bits): 64 threads, 8 x 8, on square tiles; thread (t / 8, t % 8) owns rows t / 8 + 8 i. Tiles in shared memory have W
// columns, HD rounded up and filled with zeros, and a pitch of 16 bytes more, which spreads rows over the banks.
#pragma once
#include "kernels/cuda/attention_work.h"

namespace lowland::cuda {

inline constexpr int kFmaThreads = 64, kFmaLanes = 8;

template <class T, int W> struct FmaTile {
  static constexpr int kRows = sizeof(T) == 8 ? 16 : 32, kMicro = kRows / kFmaLanes, kVec = Vec<T>::kCount;
  static constexpr int kLd = W + kVec, kScoreLd = kRows + kVec, kGroups = W / (kFmaLanes * kVec);
  struct Scores {  // rows t / 8 + 8 i, columns t % 8 + 8 j
    T v[kMicro][kMicro];
  };
  struct Sums {  // rows t / 8 + 8 i, columns (8 g + t % 8) kVec + e
    T v[kMicro][kGroups][kVec];
  };

  static LL_HD int row(int t, int i) { return t / kFmaLanes + kFmaLanes * i; }
  static LL_HD int column(int t, int j) { return t % kFmaLanes + kFmaLanes * j; }

  // Rows from `rows` on and columns from HD on become zeros.
  static LL_HD void load(int t, T* to, const T* from, int64_t stride, int rows, int HD, bool vectors) {
    for (int at = t; at < kRows * W / kVec; at += kFmaThreads) {
      const int r = at / (W / kVec), c = at % (W / kVec) * kVec;
      Vec<T> x{};
      if (r < rows && c < HD) {
        if (vectors) {
          x = load_vec(from + r * stride + c);
        } else {
          for (int i = 0; i < kVec && c + i < HD; ++i) x.v[i] = from[r * stride + c + i];
        }
      }
      store_vec(to + r * kLd + c, x);
    }
  }

  // scores = a b^T
  static LL_HD void multiply_rows(int t, Scores& scores, const T* a, const T* b) {
    scores = {};
    for (int c = 0; c < W; c += kVec) {
      Vec<T> x[kMicro], y[kMicro];
      LL_UNROLL for (int i = 0; i < kMicro; ++i) x[i] = load_vec(a + row(t, i) * kLd + c);
      LL_UNROLL for (int j = 0; j < kMicro; ++j) y[j] = load_vec(b + column(t, j) * kLd + c);
      LL_UNROLL for (int i = 0; i < kMicro; ++i) LL_UNROLL for (int j = 0; j < kMicro; ++j)
          LL_UNROLL for (int e = 0; e < kVec; ++e) scores.v[i][j] += x[i].v[e] * y[j].v[e];
    }
  }

  static LL_HD void store_scores(int t, T* to, const Scores& scores) {
    LL_UNROLL for (int i = 0; i < kMicro; ++i) LL_UNROLL for (int j = 0; j < kMicro; ++j)
        to[row(t, i) * kScoreLd + column(t, j)] = scores.v[i][j];
  }

  // sums += p b, p by store_scores
  static LL_HD void multiply_scores(int t, Sums& sums, const T* p, const T* b) {
    for (int k = 0; k < kRows; ++k) {
      T x[kMicro];
      LL_UNROLL for (int i = 0; i < kMicro; ++i) x[i] = p[row(t, i) * kScoreLd + k];
      LL_UNROLL for (int g = 0; g < kGroups; ++g) {
        const Vec<T> y = load_vec(b + k * kLd + column(t, g) * kVec);
        LL_UNROLL for (int i = 0; i < kMicro; ++i) LL_UNROLL for (int e = 0; e < kVec; ++e) sums.v[i][g][e] +=
            x[i] * y.v[e];
      }
    }
  }

  // out (rows, HD) = factor_i sums
  static LL_HD void store(int t, T* out, int64_t stride, int rows, int HD, bool vectors, const Sums& sums,
                          const T (&factor)[kMicro]) {
    LL_UNROLL for (int i = 0; i < kMicro; ++i) LL_UNROLL for (int g = 0; g < kGroups; ++g) {
      const int r = row(t, i), c = column(t, g) * kVec;
      if (r >= rows || c >= HD) continue;
      Vec<T> x;
      LL_UNROLL for (int e = 0; e < kVec; ++e) x.v[e] = factor[i] * sums.v[i][g][e];
      if (vectors) {
        store_vec(out + r * stride + c, x);
      } else {
        LL_UNROLL for (int e = 0; e < kVec; ++e) if (c + e < HD) out[r * stride + c + e] = x.v[e];
      }
    }
  }
};

}  // namespace lowland::cuda
