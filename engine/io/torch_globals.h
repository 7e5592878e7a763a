// The globals that a pickle of tensors may name.
#pragma once
#include <cstdint>
#include <string_view>

namespace lowland {

enum class TorchRole : uint8_t {
  ordered_dict,     // a dict
  opaque,           // torch.Size, torch.device: kept, never asked for
  storage,          // torch.FloatStorage
  untyped_storage,  // counted in bytes
  dtype,            // torch.float32
  tensor_class,     // torch.Tensor, torch.nn.Parameter, as an argument of from_type
  tensor,           // (storage, offset, size, stride) and more that does not change the numbers
  tensor_of_dtype,  // the same with the dtype as the seventh
  parameter,        // (tensor, ...)
  from_type         // (function, class, arguments, state)
};

struct TorchGlobal {
  std::string_view module, name;
  TorchRole role;
  std::string_view dtype{};  // of a storage or a dtype, by safetensors' names
};

// Its number for torch_global(), -1 for any other. Storages of torch.cuda are those of torch.
int find_torch_global(std::string_view module, std::string_view name);
const TorchGlobal& torch_global(int64_t number);

}  // namespace lowland
