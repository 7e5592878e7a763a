// Matrices that bitsandbytes quantised, in safetensors: one matrix is several tensors.
//   int8   NAME i8 (n, m), and beside NAME = X.weight: X.SCB f32 (n), the largest magnitude of each row
//   NF4    NAME u8 (n m / 2, 1), NAME.absmax, NAME.quant_map f32 (16), NAME.quant_state.bitsandbytes__nf4: JSON with
//          the shape; doubly quantised NAME.nested_absmax and NAME.nested_quant_map f32 (256) besides
// Each is read as blocks (kernels/common/blocks.h): int8, nf4 or nf4_nested. Where a block is longer than 64 values the
// scales are repeated; where the map of nested scales is not bitsandbytes' own they are computed once.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/tensor_file.h"

namespace lowland {

class BnbMatrix {
 public:
  // The tensors by their names in the folder: null where there is none of this name.
  using Find = std::function<const TensorFile*(const std::string& name, std::string& in_file)>;
  // The matrix whose codes the tensor `name` holds; absent if it is a plain one. Error that names the tensor which is
  // missing or has another shape.
  static std::optional<BnbMatrix> of(const std::string& name, const Find& find);

  const TensorInfo& info() const { return info_; }  // the shape (n, m); dtype "INT8" or "NF4"
  DType type() const { return type_; }
  const std::vector<std::string>& parts() const { return parts_; }  // the names of its other tensors
  // Into a tensor (n, m) of its type, or of numbers. Error on a scale that is no finite number.
  void read_into(const Tensor& into) const;

 private:
  struct Part {
    const TensorFile* file = nullptr;
    std::string name;  // in the file
    TensorBytes bytes() const { return file->bytes(name); }
  };
  BnbMatrix(std::string name, const Find& find);
  Part need(const std::string& part, const char* dtype, int64_t numbers);
  void open_int8(const TensorInfo& codes);
  void open_nf4(const TensorInfo& codes);
  std::vector<float> scales() const;  // of nf4, one for 64 values

  std::string name_;
  const Find* find_ = nullptr;  // while it is opened
  TensorInfo info_;
  DType type_ = DType::int8;
  std::vector<std::string> parts_;
  Part codes_, absmax_, nested_, map_;
  int64_t block_ = 64, nested_block_ = 256;
  float offset_ = 0;
};

}  // namespace lowland
