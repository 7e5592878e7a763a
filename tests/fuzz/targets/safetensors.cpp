#include "engine/io/safetensors.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

LL_FUZZ_TARGET(safetensors) {
  const MemoryFile memory(as_text(data, size));
  attempt([&] {
    const SafetensorsFile file(memory.path());
    for (const TensorInfo& t : file.tensors()) {
      const size_t element = file_dtype_bytes(t.dtype);
      if (element != 0 && file.bytes(t.name).size() != numel_of(t.shape) * element) __builtin_trap();
    }
  });
  return 0;
}
