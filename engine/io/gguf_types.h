// The element types of GGUF tensors (ggml's), by number, name and the size of their blocks.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kernels/common/dtype.h"

namespace lowland {

struct GgufType {
  uint32_t id;
  const char* name;  // as TensorInfo::dtype: "Q4_K"; of plain numbers the name that safetensors has, too
  int64_t block;     // numbers of a block, along a row
  size_t bytes;      // of a block; 0: known by its name, and not read
};

const GgufType* gguf_type(uint32_t id);            // null: unknown
const GgufType* gguf_type(std::string_view name);  // null: unknown
std::string gguf_type_names();                     // those that are read: "F32, F16, ... and BF16"
// The engine's type of such blocks, where they hold more than one number.
std::optional<DType> block_type_of(std::string_view dtype);

}  // namespace lowland
