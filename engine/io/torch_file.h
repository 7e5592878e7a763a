// TorchFile: the tensors of a file that torch.save wrote (pytorch_model.bin, adapter_model.bin): a zip archive with a
// pickle and one entry a storage, or the form of torch before 1.6, pickles with the storages behind them. Read is a
// state dict, at the top or under `state_dict`, `model_state_dict`, `model` or `module`: tensors, parameters of plain
// strided storages, also shared, offset or with any strides. Its other values are not read.
//
// Nothing in the file is run (engine/io/pickle.h). A global that plain tensors do not need is refused by name.
#pragma once
#include "engine/io/tensor_file.h"

namespace lowland {

class TorchFile : public TensorFile {
 public:
  explicit TorchFile(const std::string& path);
};

}  // namespace lowland
