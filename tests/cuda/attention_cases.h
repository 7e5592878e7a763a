// Cases for attention's CUDA bodies.
#pragma once
#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "kernels/attention.h"

namespace lowland::test {

struct AttentionCase {
  std::vector<int32_t> nq, nk;
  int64_t NH = 2, NKV = 2, HD = 64;
  bool causal = false;
  double p = 0;
  int64_t tail = 0;     // rows after the last segment
  int64_t longest = 0;  // 0: as long as it is
  int64_t pad = 0;      // columns between the q, k and v of one matrix: 1 makes 16-byte loads impossible
  bool live_step = false;
  int32_t window = 0;
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
    shape.window = c.window;
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
  for (const int32_t window : {1, 2, 31, 32, 33, 64, 100})
    cases.push_back({.nq = {133, 0, 7, 70},
                     .nk = {133, 5, 7, 200},
                     .NH = 2,
                     .NKV = 1,
                     .HD = window == 33 ? 96 : 32,
                     .causal = true,
                     .p = window == 31 ? 0.3 : 0,
                     .tail = 2,
                     .window = window});
  for (AttentionCase& c : cases)
    c.name = "nq0 " + std::to_string(c.nq[0]) + " nk0 " + std::to_string(c.nk[0]) + " HD " + std::to_string(c.HD) +
             (c.causal ? " causal" : "") + (c.window > 0 ? " window " + std::to_string(c.window) : "") + " p " +
             std::to_string(c.p);
  return cases;
}

}  // namespace lowland::test
