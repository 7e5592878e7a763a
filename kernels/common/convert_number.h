// One number in another element type, on every backend alike.
#pragma once
#include <type_traits>

#include "kernels/common/dtype.h"

namespace lowland::LL_HD_NAMESPACE {

template <class To, class From> LL_HD inline To convert_number(From x) {
  if constexpr (std::is_same_v<To, bf16>) {
    return bf16(convert_number<float>(x));
  } else if constexpr (std::is_same_v<From, bf16>) {
    return static_cast<To>(static_cast<float>(x));
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace lowland::LL_HD_NAMESPACE
