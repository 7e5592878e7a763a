// GgufFile: a memory-mapped file of llama.cpp: metadata, then the tensors, of versions 2 and 3, little-endian
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). In the file, in this order:
//
//   "GGUF", u32 version, u64 tensors, u64 keys
//   each key     its name, u32 kind, the value        (a text is u64 length and bytes; a list u32 kind, u64 count)
//   each tensor  its name, u32 dimensions, u64 each (the innermost first), u32 type, u64 offset
//   the tensors' bytes, from the next multiple of general.alignment (32) on
//
// Everything is checked when the file is opened: counts, texts, types and offsets before anything of their size is
// allocated. A tensor of a type that cannot be read is refused by name.
#pragma once
#include <functional>

#include "engine/io/gguf_metadata.h"
#include "engine/io/tensor_file.h"

namespace lowland {

class GgufFile : public TensorFile {
 public:
  explicit GgufFile(const std::string& path);

  const GgufMetadata& keys() const { return keys_; }
  // Another name, or order of rows, for tensors: called with each. One without a name is none of the model's.
  void translate(const std::function<void(TensorInfo&)>& change);

 private:
  GgufMetadata keys_;
  std::string_view tensors_at_;  // the data
};

}  // namespace lowland
