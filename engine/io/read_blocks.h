// Frozen matrices in blocks (kernels/common/blocks.h) from files, a row at a time: no copy of a whole matrix in f32.
#pragma once
#include <functional>
#include <string>

#include "engine/tensor.h"

namespace lowland {

// Calls with each row of a matrix and where its bytes go: row_bytes() of the tensor's type, or its numbers.
using PutRow = std::function<void(int64_t r, std::byte* blocks)>;

// Into a tensor of any type: `put` writes rows of `type`, which are decoded where the tensor is not of it. `what` names
// the matrix. Error on a scale that is no finite number.
void read_block_rows(const Tensor& into, DType type, const std::string& what, const PutRow& put);
// Numbers of a file, dtype by safetensors' name, quantised to the tensor's type. False: not numbers.
bool quantise_rows(const Tensor& into, const char* from, std::string_view dtype);

}  // namespace lowland
