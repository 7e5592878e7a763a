// Writes .safetensors files: one tensor at a time, so that no second copy of a model is held, under a
// temporary name that becomes the file's at finish(). The bytes equal those that Hugging Face's safetensors
// writes: metadata
// {"format":"pt"} (transformers refuses files without it), header padded to 8 bytes, wider dtypes first, then
// by name.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "engine/io/atomic_file.h"
#include "engine/io/safetensors.h"

namespace lowland {

class SafetensorsWriter {
 public:
  // `plan`: name, dtype and shape of every tensor, in any order; begin and end are ignored. Error for a
  // tensor without elements, a name given twice, or a dtype that is unknown.
  SafetensorsWriter(const std::string& path, std::vector<TensorInfo> plan,
                    const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

  // In the order of writing: append them so.
  const std::vector<TensorInfo>& plan() const { return plan_; }
  // The next tensor of the plan; `name` and shape are checked. Converted to the planned dtype, rounded once.
  void append(const std::string& name, const Tensor& x);
  // The next tensor's bytes as they are in a file.
  void append_bytes(const std::string& name, std::string_view bytes);
  // Error unless everything planned was appended. Without finish(), nothing is left behind.
  void finish();

 private:
  const TensorInfo& next(const std::string& name);

  std::string path_;
  std::vector<TensorInfo> plan_;
  size_t done_ = 0;
  AtomicFile file_;
};

using NamedTensor = std::pair<std::string, Tensor>;
// The whole file at once, each tensor in its own dtype.
void save_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                      const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace lowland
