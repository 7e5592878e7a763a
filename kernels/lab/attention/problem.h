// One batch of attention for the lab: S segments of one length, q, k and v side by side in one matrix.
#pragma once
#include <string>

#include "kernels/attention.h"
#include "kernels/lab/lab.h"

namespace lowland::lab {

struct Problem {
  int64_t S, length, NH, NKV, HD;
  bool causal;

  int64_t N() const { return S * length; }
  int64_t width() const { return (NH + 2 * NKV) * HD; }
  std::string name() const {
    return std::to_string(S) + " x " + std::to_string(length) + ", " + std::to_string(NH) + "/" + std::to_string(NKV) +
           " x " + std::to_string(HD) + (causal ? " causal" : "");
  }
  // Multiply-adds of `products` products of the scores' size, two operations each.
  double flops(int products) const {
    const auto scores = static_cast<double>(S * NH) * static_cast<double>(length) * static_cast<double>(length);
    return 2.0 * products * scores * static_cast<double>(HD) * (causal ? 0.5 : 1.0);
  }
  bool small() const { return length <= 512; }  // where a naive version takes no minutes
  std::vector<int32_t> bounds() const {
    std::vector<int32_t> cu;
    for (int64_t s = 0; s <= S; ++s) cu.push_back(static_cast<int32_t>(s * length));
    return cu;
  }
  AttentionShape shape(const int32_t* cu) const {
    AttentionShape shape;
    shape.S = S;
    shape.NQ = shape.NK = N();
    shape.NH = NH;
    shape.NKV = NKV;
    shape.HD = HD;
    shape.max_q = shape.max_k = length;
    shape.cu_q = shape.cu_k = cu;
    shape.causal = causal;
    shape.scale = 1 / std::sqrt(static_cast<double>(HD));
    return shape;
  }
  template <class T> AttentionInputs<T> inputs(const T* qkv) const {
    return {{qkv, width()}, {qkv + NH * HD, width()}, {qkv + (NH + NKV) * HD, width()}};
  }
};

// A training step of RoBERTa-large, and one of an 8B decoder.
inline constexpr Problem kProblems[] = {{32, 128, 16, 16, 64, false}, {4, 4096, 32, 8, 128, true}};

// For a proof on the host: nothing in them is a multiple of a tile.
inline constexpr Problem kSmallProblems[] = {{3, 77, 4, 2, 64, true}, {2, 139, 2, 1, 128, false}};

}  // namespace lowland::lab
