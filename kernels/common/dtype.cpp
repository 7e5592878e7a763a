#include "kernels/common/dtype.h"

namespace lowland {

size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::i32: return 4;
    case DType::f64:
    case DType::i64: return 8;
    case DType::bf16: return 2;
    default: return 0;
  }
}

const char* name_of(DType dtype) {
  constexpr const char* kNames[] = {"f32",  "f64",  "bf16", "i32",  "i64",  "q4_0", "q4_1", "q5_0",
                                    "q5_1", "q8_0", "q4_k", "q5_k", "q6_k", "int8", "nf4",  "nf4_nested"};
  return kNames[static_cast<size_t>(dtype)];
}

}  // namespace lowland
