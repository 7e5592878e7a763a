// Whole files of torch.save: the zip archive, the pickle in it, the older form.
#include "engine/io/torch_file.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

LL_FUZZ_TARGET(torch_file) {
  const MemoryFile memory(as_text(data, size));
  attempt([&] {
    const TorchFile file(memory.path());
    for (const TensorInfo& t : file.tensors()) {
      const TensorBytes bytes = file.bytes(t.name);
      if (bytes.size() != numel_of(t.shape) * file_dtype_bytes(t.dtype)) __builtin_trap();
      uint8_t sum = 0;  // touches all of it
      for (const char c : std::string_view(bytes)) sum = static_cast<uint8_t>(sum + c);
      static_cast<void>(sum);
    }
  });
  return 0;
}
