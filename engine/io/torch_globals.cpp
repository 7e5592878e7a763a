#include "engine/io/torch_globals.h"

#include <iterator>

namespace lowland {
namespace {

using enum TorchRole;

constexpr TorchGlobal kGlobals[] = {{"collections", "OrderedDict", ordered_dict},
                                    {"torch", "Size", opaque},
                                    {"torch", "device", opaque},
                                    {"torch", "Tensor", tensor_class},
                                    {"torch.nn.parameter", "Parameter", tensor_class},
                                    {"torch._utils", "_rebuild_tensor", tensor},
                                    {"torch._utils", "_rebuild_tensor_v2", tensor},
                                    {"torch._utils", "_rebuild_tensor_v3", tensor_of_dtype},
                                    {"torch._utils", "_rebuild_parameter", parameter},
                                    {"torch._utils", "_rebuild_parameter_with_state", parameter},
                                    {"torch._tensor", "_rebuild_from_type_v2", from_type},
                                    {"torch", "DoubleStorage", storage, "F64"},
                                    {"torch", "FloatStorage", storage, "F32"},
                                    {"torch", "HalfStorage", storage, "F16"},
                                    {"torch", "BFloat16Storage", storage, "BF16"},
                                    {"torch", "LongStorage", storage, "I64"},
                                    {"torch", "IntStorage", storage, "I32"},
                                    {"torch", "ShortStorage", storage, "I16"},
                                    {"torch", "CharStorage", storage, "I8"},
                                    {"torch", "ByteStorage", storage, "U8"},
                                    {"torch", "BoolStorage", storage, "BOOL"},
                                    {"torch", "ComplexFloatStorage", storage, "C64"},
                                    {"torch", "UntypedStorage", untyped_storage},
                                    {"torch.storage", "UntypedStorage", untyped_storage},
                                    {"torch", "float64", dtype, "F64"},
                                    {"torch", "float32", dtype, "F32"},
                                    {"torch", "float16", dtype, "F16"},
                                    {"torch", "bfloat16", dtype, "BF16"},
                                    {"torch", "int64", dtype, "I64"},
                                    {"torch", "int32", dtype, "I32"},
                                    {"torch", "int16", dtype, "I16"},
                                    {"torch", "int8", dtype, "I8"},
                                    {"torch", "uint64", dtype, "U64"},
                                    {"torch", "uint32", dtype, "U32"},
                                    {"torch", "uint16", dtype, "U16"},
                                    {"torch", "uint8", dtype, "U8"},
                                    {"torch", "bool", dtype, "BOOL"},
                                    {"torch", "complex64", dtype, "C64"},
                                    {"torch", "float8_e4m3fn", dtype, "F8_E4M3"},
                                    {"torch", "float8_e5m2", dtype, "F8_E5M2"}};

}  // namespace

int find_torch_global(std::string_view module, std::string_view name) {
  if (module == "torch.cuda" && name.ends_with("Storage")) module = "torch";
  for (size_t i = 0; i < std::size(kGlobals); ++i) {
    if (kGlobals[i].module == module && kGlobals[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

const TorchGlobal& torch_global(int64_t number) { return kGlobals[number]; }

}  // namespace lowland
