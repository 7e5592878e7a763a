// TensorFile: a memory-mapped file of named tensors, of any kind that checkpoints come in: SafetensorsFile
// (engine/io/safetensors.h), TorchFile (engine/io/torch_file.h) or GgufFile (engine/io/gguf.h). Each was checked when
// it was opened: every tensor lies inside the file. Tensors are read where they lie; no second copy of it is made.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/mapped_file.h"
#include "engine/io/safetensors_dtype.h"
#include "engine/tensor.h"

namespace lowland {

struct TensorInfo {
  std::string name;
  std::string dtype;  // by safetensors' names: "F32", "BF16", "F16", ...; of blocks by ggml's (engine/io/gguf_types.h)
  Shape shape;
  size_t begin = 0, end = 0;       // bytes, counted from the file's data: of safetensors from the end of the header
  std::vector<int64_t> strides{};  // in elements; empty: contiguous
  int64_t paired_heads = 0;        // rows of so many heads lie in pairs (engine/io/row_order.h); 0: as they are
  float added = 0;                 // to every number, by who wrote the file
};

// A tensor's bytes, row by row, blocks as they are: in the file where they lie so, else a copy of them.
class TensorBytes {
 public:
  explicit TensorBytes(std::string_view in_file) : view_(in_file) {}
  explicit TensorBytes(std::unique_ptr<char[]> own, size_t bytes) : own_(std::move(own)), view_(own_.get(), bytes) {}
  operator std::string_view() const& { return view_; }
  operator std::string_view() const&& = delete;  // it may hold the bytes
  const char* data() const { return view_.data(); }
  size_t size() const { return view_.size(); }
  bool operator==(const TensorBytes& other) const { return view_ == other.view_; }

 private:
  std::unique_ptr<char[]> own_;
  std::string_view view_;
};

class TensorFile {
 public:
  TensorFile(const TensorFile&) = delete;
  TensorFile& operator=(const TensorFile&) = delete;

  const std::string& path() const { return path_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }  // sorted by name
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  bool contains(const std::string& name) const { return find(name) != nullptr; }
  const TensorInfo* find(const std::string& name) const;  // null if absent
  const TensorInfo& info(const std::string& name) const;  // Error if absent
  TensorBytes bytes(const std::string& name) const;       // valid as long as this object

  // Into an existing tensor of the same shape, converted to its dtype. Error where blocks hold a scale that is NaN or
  // infinite.
  void read_into(const std::string& name, const Tensor& into) const;
  // A tensor over the mapped file itself, read-only (writing to it ends the program): only if the dtype is the file's,
  // and the bytes are contiguous and aligned for it. Absent otherwise.
  Tensor borrow(Context& context, const std::string& name, DType dtype) const;
  // borrow() if possible, else a converted copy.
  Tensor load(Context& context, const std::string& name, DType dtype) const;

 protected:
  explicit TensorFile(const std::string& path);  // refuses an empty file and a Git LFS pointer
  ~TensorFile() = default;
  std::string_view content() const { return map_->bytes(); }
  // `data`: the file from where begin and end of the tensors count. Sorts them by name.
  void set_tensors(std::string_view data, std::vector<TensorInfo> tensors);

  std::map<std::string, std::string> metadata_;

 private:
  std::string path_;
  std::shared_ptr<const MappedFile> map_;
  std::string_view data_;
  std::vector<TensorInfo> tensors_;
};

// Opens a file by what is in it, whatever its name: torch's where it begins as a zip archive or a pickle, GGUF where it
// says so, safetensors otherwise.
std::shared_ptr<const TensorFile> open_tensor_file(const std::string& path);

}  // namespace lowland
