// Cases for attention's CUDA bodies, and the definition of attention in double precision, written out.
#pragma once
#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "kernels/attention.h"

namespace lowland::test {

using Doubles = std::vector<double>;

struct AttentionCase {
  std::vector<int32_t> nq, nk;
  int64_t NH = 2, NKV = 2, HD = 64;
  bool causal = false;
  double p = 0;
  int64_t tail = 0;     // rows after the last segment
  int64_t longest = 0;  // 0: as long as it is
  int64_t pad = 0;      // columns between the q, k and v of one matrix: 1 makes 16-byte loads impossible
  bool live_step = false;
  std::string name = {};

  static std::vector<int32_t> bounds(const std::vector<int32_t>& n) {
    std::vector<int32_t> cu{0};
    for (const int32_t k : n) cu.push_back(cu.back() + k);
    return cu;
  }
};

// A case with its numbers. q, k, v are rows of one matrix if queries and keys are the same rows, else of two.
template <class T> struct AttentionData {
  AttentionCase c;
  std::vector<int32_t> cu_q, cu_k, example, position;
  std::vector<T> q_rows, kv_rows, dout;
  int64_t q_stride, kv_stride, out_stride;
  uint64_t step = 5;
  AttentionShape shape;
  AttentionInputs<T> in;

  explicit AttentionData(const AttentionCase& given)
      : c(given), cu_q(AttentionCase::bounds(c.nq)), cu_k(AttentionCase::bounds(c.nk)) {
    const bool packed = c.nq == c.nk;
    shape.S = static_cast<int64_t>(c.nq.size());
    shape.NQ = cu_q.back() + c.tail;
    shape.NK = cu_k.back() + (packed ? c.tail : c.tail / 2);
    shape.NH = c.NH;
    shape.NKV = c.NKV;
    shape.HD = c.HD;
    shape.max_q = c.longest > 0 ? c.longest : *std::max_element(c.nq.begin(), c.nq.end());
    shape.max_k = c.longest > 0 ? c.longest : *std::max_element(c.nk.begin(), c.nk.end());
    shape.cu_q = cu_q.data();
    shape.cu_k = cu_k.data();
    shape.causal = c.causal;
    shape.scale = 1 / std::sqrt(static_cast<double>(c.HD));
    set_draws();
    const int64_t q_width = c.NH * c.HD + c.pad, kv_width = c.NKV * c.HD + c.pad;
    q_stride = packed ? q_width + 2 * kv_width : q_width;
    kv_stride = packed ? q_stride : 2 * kv_width;
    out_stride = c.NH * c.HD + c.pad;
    q_rows = random(shape.NQ * q_stride, 1);
    if (!packed) kv_rows = random(shape.NK * kv_stride, 2);
    dout = random(shape.NQ * out_stride, 3);
    const T* k = packed ? q_rows.data() + q_width : kv_rows.data();
    in = {{q_rows.data(), q_stride}, {k, kv_stride}, {k + kv_width, kv_stride}};
  }
  AttentionData(const AttentionData&) = delete;
  AttentionData& operator=(const AttentionData&) = delete;

 private:
  void set_draws() {
    example.assign(shape.NQ, 0);
    position = example;
    for (size_t s = 0; s < c.nq.size(); ++s)
      for (int32_t i = 0; i < c.nq[s]; ++i) {
        example[cu_q[s] + i] = 11 + static_cast<int32_t>(s);
        position[cu_q[s] + i] = std::max(0, c.nk[s] - c.nq[s]) + i;
      }
    if (c.p == 0) return;
    shape.drop_below = drop_threshold(c.p);
    shape.keep_scale = 1 / (1 - c.p);
    shape.draws = {philox_key(3, step, 7), 3, 7, nullptr};
    if (c.live_step) {
      shape.draws.key = {};
      shape.draws.live_step = &step;
    }
    shape.example = example.data();
    shape.position = position.data();
  }
  static std::vector<T> random(int64_t n, unsigned seed) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal;
    std::vector<T> x(n);
    for (T& value : x) value = T(normal(engine));
    return x;
  }
};

struct AttentionResult {
  Doubles o, lse, dq, dk, dv;    // (NQ, NH HD), (NQ, NH), (NQ, NH HD), (NK, NKV HD) twice
  std::vector<bool> sees, seen;  // of the oracle: (NQ) query sees a key, (NK) key is seen
};

template <class T> double value(T x) {
  if constexpr (sizeof(T) == 2) {
    return static_cast<double>(static_cast<float>(x));
  } else {
    return static_cast<double>(x);
  }
}

inline double keep_factor(const AttentionCase& c, int32_t example, int32_t position, int64_t h, int32_t j) {
  if (c.p == 0) return 1;
  const PhiloxBlock draws = philox(philox_key(3, 5, 7), static_cast<uint32_t>(example), static_cast<uint32_t>(position),
                                   static_cast<uint32_t>(h) * kHeadStride + static_cast<uint32_t>(j) / 8, 0);
  return draw16(draws, j % 8) >= drop_threshold(c.p) ? 1 / (1 - c.p) : 0;
}

// One query of one head: from the formulas of kernels/attention.h, with every probability written down.
template <class T> void oracle_query(AttentionResult& r, const AttentionData<T>& d, size_t s, int64_t h, int32_t i) {
  const AttentionCase& c = d.c;
  const int64_t HD = c.HD, kv = h / (c.NH / c.NKV), row = d.cu_q[s] + i;
  const int32_t keys = c.causal ? std::min(c.nk[s], c.nk[s] - c.nq[s] + i + 1) : c.nk[s];
  if (keys <= 0) return;
  const auto dot = [&](const T* a, const T* b) {
    double sum = 0;
    for (int64_t k = 0; k < HD; ++k) sum += value(a[k]) * value(b[k]);
    return sum;
  };
  const auto at = [&](const RowView<const T>& rows, int32_t j) {
    return rows.data + (d.cu_k[s] + j) * rows.stride + kv * HD;
  };
  const T *q = d.in.q.data + row * d.in.q.stride + h * HD, *dout = d.dout.data() + row * d.out_stride + h * HD;
  Doubles p(keys), u(p.size()), dp(p.size());
  double top = -1e300, total = 0, delta = 0;
  for (int32_t j = 0; j < keys; ++j) top = std::max(top, p[size_t(j)] = d.shape.scale * dot(q, at(d.in.k, j)));
  for (const double x : p) total += std::exp(x - top);
  const double lse = r.lse[size_t(row * c.NH + h)] = top + std::log(total);
  for (int32_t j = 0; j < keys; ++j) {
    p[size_t(j)] = std::exp(p[size_t(j)] - lse);
    u[size_t(j)] = keep_factor(c, d.example[size_t(row)], d.position[size_t(row)], h, j);
    dp[size_t(j)] = u[size_t(j)] * dot(dout, at(d.in.v, j));
    delta += p[size_t(j)] * dp[size_t(j)];
  }
  for (int32_t j = 0; j < keys; ++j) {
    r.sees[size_t(row)] = r.seen[size_t(d.cu_k[s] + j)] = true;
    const double up = u[size_t(j)] * p[size_t(j)], g = d.shape.scale * p[size_t(j)] * (dp[size_t(j)] - delta);
    for (int64_t k = 0; k < HD; ++k) {
      const size_t in_q = size_t((row * c.NH + h) * HD + k), in_k = size_t(((d.cu_k[s] + j) * c.NKV + kv) * HD + k);
      r.o[in_q] += up * value(at(d.in.v, j)[k]);
      r.dq[in_q] += g * value(at(d.in.k, j)[k]);
      r.dk[in_k] += g * value(q[k]);
      r.dv[in_k] += up * value(dout[k]);
    }
  }
}

template <class T> AttentionResult oracle(const AttentionData<T>& d) {
  AttentionResult r;
  r.o.assign(size_t(d.shape.NQ * d.c.NH * d.c.HD), 0);
  r.dq = r.o;
  r.lse.assign(size_t(d.shape.NQ * d.c.NH), 0);
  r.dk.assign(size_t(d.shape.NK * d.c.NKV * d.c.HD), 0);
  r.dv = r.dk;
  r.sees.assign(size_t(d.shape.NQ), false);
  r.seen.assign(size_t(d.shape.NK), false);
  for (size_t s = 0; s < d.c.nq.size(); ++s)
    for (int64_t h = 0; h < d.c.NH; ++h)
      for (int32_t i = 0; i < d.c.nq[s]; ++i) oracle_query(r, d, s, h, i);
  return r;
}

// An output matrix, filled with NaN: what is not written shows.
template <class T> struct Output {
  std::vector<T> data;
  int64_t stride, width;
  Output(int64_t rows, int64_t columns, int64_t pad)
      : data(rows * (columns + pad), T(std::nanf(""))), stride(columns + pad), width(columns) {}
  RowView<T> rows() { return {data.data(), stride}; }
  Doubles values() const {
    Doubles x;
    for (size_t row = 0; row < data.size(); row += size_t(stride))
      for (size_t k = row; k < row + size_t(width); ++k) x.push_back(value(data[k]));
    return x;
  }
};

// ||x - y|| / ||y||, for y of zeros (a softmax over one key) over that of hundredths. NaN never passes a bound.
inline double distance(const Doubles& x, const Doubles& y) {
  if (x.size() != y.size()) return std::nan("");
  double sum = 0, norm = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    sum += (x[i] - y[i]) * (x[i] - y[i]);
    norm += y[i] * y[i];
  }
  return std::sqrt(sum) / std::max(std::sqrt(norm), 1e-2 * std::sqrt(static_cast<double>(y.size())));
}

// Rows outside every segment, queries without keys and keys that no query sees: zeros.
inline bool zero_elsewhere(const Doubles& x, const std::vector<bool>& used) {
  const size_t width = x.size() / used.size();
  for (size_t i = 0; i < x.size(); ++i)
    if (!used[i / width] && x[i] != 0) return false;
  return true;
}

inline std::vector<AttentionCase> attention_cases() {
  std::vector<AttentionCase> cases;
  for (const bool causal : {false, true}) {
    for (const int32_t n : {1, 31, 33, 65, 257})
      cases.push_back({.nq = {n}, .nk = {n}, .NH = 1, .NKV = 1, .HD = 64, .causal = causal});
    cases.push_back(
        {.nq = {40, 0, 133, 7}, .nk = {40, 0, 133, 7}, .NH = 4, .NKV = 2, .HD = 32, .causal = causal, .tail = 150});
    cases.push_back(
        {.nq = {3, 33, 0, 9}, .nk = {70, 130, 5, 0}, .NH = 4, .NKV = 1, .HD = 80, .causal = causal, .tail = 3});
    cases.push_back({.nq = {65, 20}, .nk = {65, 20}, .NH = 2, .NKV = 2, .HD = 96, .causal = causal, .p = 0.3});
    cases.push_back({.nq = {90, 66},
                     .nk = {90, 66},
                     .NH = 2,
                     .NKV = 1,
                     .HD = 128,
                     .causal = causal,
                     .p = 0.1,
                     .tail = 1,
                     .longest = 200,
                     .live_step = true});
    cases.push_back(
        {.nq = {17, 70}, .nk = {81, 139}, .NH = 2, .NKV = 2, .HD = 64, .causal = causal, .p = 0.5, .tail = 0});
    cases.push_back({.nq = {35}, .nk = {35}, .NH = 2, .NKV = 2, .HD = 20, .causal = causal, .pad = 1});
  }
  cases.push_back({.nq = {129, 64}, .nk = {50, 128}, .NH = 1, .NKV = 1, .HD = 64});  // more queries than keys
  for (AttentionCase& c : cases)
    c.name = "nq0 " + std::to_string(c.nq[0]) + " nk0 " + std::to_string(c.nk[0]) + " HD " + std::to_string(c.HD) +
             (c.causal ? " causal" : "") + " p " + std::to_string(c.p);
  return cases;
}

}  // namespace lowland::test
