// The element types of safetensors files, and their conversion to the engine's.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/common/dtype.h"

namespace lowland {

// Bytes of one element, 0 for a dtype this reader does not know (such tensors are listed, and refused when
// asked for).
size_t file_dtype_bytes(std::string_view dtype);
// "F32" of DType::f32.
std::string_view file_dtype_of(DType dtype);
// "F32", "F16" ... of "float32", "float16" ... (config.json's dtype); empty if unknown.
std::string_view file_dtype_of_torch(std::string_view torch_dtype);
// Reads n elements of `from` (any alignment) into `to`: floating to floating, whole numbers to whole numbers.
// False if the pair is not convertible. Halves and doubles are rounded once, to nearest even, except f64 ->
// bf16 (through f32).
bool convert_from_file(void* to, DType to_dtype, const void* from, std::string_view from_dtype, int64_t n);

}  // namespace lowland
