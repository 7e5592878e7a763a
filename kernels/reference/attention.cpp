#include "kernels/attention.h"

#include <algorithm>
#include <cmath>

#include "kernels/reference/reference.h"

namespace lowland::reference {
namespace {

// One head of one query, and the keys of its segment that it sees.
struct Query {
  int64_t n, h;           // row, head
  int64_t hidden, first;  // keys of the segment before the first that it sees, row of that one
  int64_t keys;           // how many it sees
};

std::vector<Query> queries_of(const AttentionShape& a) {
  std::vector<Query> all;
  for (int64_t s = 0; s < a.S; ++s) {
    const int64_t nq = a.cu_q[s + 1] - a.cu_q[s], nk = a.cu_k[s + 1] - a.cu_k[s];
    for (int64_t h = 0; h < a.NH; ++h)
      for (int64_t i = 0; i < nq; ++i) {
        const int64_t end = a.causal ? std::min(nk, nk - nq + i + 1) : nk;
        const int64_t hidden = a.window > 0 ? std::max<int64_t>(end - a.window, 0) : 0;
        if (end > 0) all.push_back({a.cu_q[s] + i, h, hidden, a.cu_k[s] + hidden, end - hidden});
      }
  }
  return all;
}

// u of the query and the m-th key that it sees.
double u(const AttentionShape& a, const Query& at, int64_t m) {
  if (a.drop_below == 0) return 1;
  return keep_factor(a.draws, a.example[at.n], a.position[at.n], static_cast<uint32_t>(at.h) * kHeadStride,
                     at.hidden + m, a.drop_below, a.keep_scale);
}

// x_i . y_j, vectors of HD elements each.
double dot(const Values& x, int64_t i, const Values& y, int64_t j, int64_t HD) {
  double sum = 0;
  for (int64_t c = 0; c < HD; ++c) sum += x[i * HD + c] * y[j * HD + c];
  return sum;
}

// y_j += alpha x_i
void add_to(Values& y, int64_t j, double alpha, const Values& x, int64_t i, int64_t HD) {
  for (int64_t c = 0; c < HD; ++c) y[j * HD + c] += alpha * x[i * HD + c];
}

double attention_score(const AttentionShape& a, double product) {
  const double s = a.scale * product;
  return a.soft_cap > 0 ? a.soft_cap * std::tanh(s / a.soft_cap) : s;
}

}  // namespace

Attention attention_forward(const Values& q, const Values& k, const Values& v, const AttentionShape& a) {
  const int64_t HD = a.HD;
  Values o(a.NQ * a.NH * HD), lse(a.NQ * a.NH);
  for (const Query& at : queries_of(a)) {
    const int64_t i = at.n * a.NH + at.h, j = at.first * a.NKV + at.h / (a.NH / a.NKV);
    Values s;
    for (int64_t m = 0; m < at.keys; ++m) s.push_back(attention_score(a, dot(q, i, k, j + m * a.NKV, HD)));
    const double top = *std::max_element(s.begin(), s.end());
    double sum = 0;
    for (const double s_ij : s) sum += std::exp(s_ij - top);
    lse[i] = top + std::log(sum);
    for (int64_t m = 0; m < at.keys; ++m) add_to(o, i, u(a, at, m) * std::exp(s[m] - lse[i]), v, j + m * a.NKV, HD);
  }
  return {o, lse};
}

AttentionGradients attention_backward(const Values& dout, const Attention& saved, const Values& q, const Values& k,
                                      const Values& v, const AttentionShape& a) {
  const int64_t HD = a.HD;
  Values dq(q.size()), dk(k.size()), dv(v.size());
  for (const Query& at : queries_of(a)) {
    const int64_t i = at.n * a.NH + at.h;
    const double D = dot(dout, i, saved.o, i, HD);
    for (int64_t m = 0; m < at.keys; ++m) {
      const int64_t j = (at.first + m) * a.NKV + at.h / (a.NH / a.NKV);
      const double s = attention_score(a, dot(q, i, k, j, HD));
      const double p = std::exp(s - saved.lse[i]), up = u(a, at, m) * p;
      const double slope = a.soft_cap > 0 ? 1 - s * s / (a.soft_cap * a.soft_cap) : 1;
      const double g = (up * dot(dout, i, v, j, HD) - p * D) * slope;
      add_to(dq, i, a.scale * g, k, j, HD);
      add_to(dk, j, a.scale * g, q, i, HD);
      add_to(dv, j, up, dout, i, HD);
    }
  }
  return {dq, dk, dv};
}

}  // namespace lowland::reference
