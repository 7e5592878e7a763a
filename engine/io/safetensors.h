// SafetensorsFile: a memory-mapped .safetensors file. Format: 8-byte little-endian length of the header, a
// JSON header `name -> {dtype, shape, data_offsets}`, then the tensors' bytes
// (https://github.com/huggingface/safetensors).
//
// Everything in the header is checked when the file is opened: a SafetensorsFile that exists describes its
// file without gaps, overlaps or offsets outside it.
#pragma once
#include "engine/io/tensor_file.h"

namespace lowland {

class SafetensorsFile : public TensorFile {
 public:
  explicit SafetensorsFile(const std::string& path);

 private:
  std::vector<TensorInfo> parse(std::string_view header);
  void check_layout(const std::vector<TensorInfo>& tensors, size_t data_bytes) const;
  [[noreturn]] void refuse(const std::string& why) const;
};

}  // namespace lowland
