// SafetensorsFile: a memory-mapped .safetensors file. Format: 8-byte little-endian length of the header, a
// JSON header `name -> {dtype, shape, data_offsets}`, then the tensors' bytes
// (https://github.com/huggingface/safetensors).
//
// Everything in the header is checked when the file is opened: a SafetensorsFile that exists describes its
// file without gaps, overlaps or offsets outside it. (A file that another process shortens later is beyond
// any reader's help: memory maps answer that with SIGBUS.)
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/safetensors_dtype.h"
#include "engine/tensor.h"

namespace lowland {

struct TensorInfo {
  std::string name;
  std::string dtype;  // as in the file: "F32", "BF16", "F16", ...
  Shape shape;
  size_t begin = 0, end = 0;  // bytes, counted from the end of the header
};

class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);

  const std::string& path() const { return path_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }  // sorted by name
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  bool contains(const std::string& name) const { return find(name) != nullptr; }
  const TensorInfo* find(const std::string& name) const;  // null if absent
  const TensorInfo& info(const std::string& name) const;  // Error if absent
  std::string_view bytes(const std::string& name) const;  // valid as long as this object, or a borrowed tensor

  // Into an existing tensor of the same shape, converted to its dtype.
  void read_into(const std::string& name, const Tensor& into) const;
  // A tensor over the mapped file itself, read-only (writing to it ends the program): only if the dtype is
  // the file's and the bytes are aligned for it. Absent otherwise.
  Tensor borrow(Context& context, const std::string& name, DType dtype) const;
  // borrow() if possible, else a converted copy.
  Tensor load(Context& context, const std::string& name, DType dtype) const;

 private:
  struct Map;
  void parse(std::string_view header);
  void check_layout();
  [[noreturn]] void refuse(const std::string& why) const;

  std::string path_;
  std::shared_ptr<Map> map_;
  const char* data_ = nullptr;
  size_t data_bytes_ = 0;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace lowland
