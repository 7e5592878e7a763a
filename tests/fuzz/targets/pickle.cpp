// A pickle in an archive that is right, with a storage of 64 bytes called 0.
#include "engine/io/torch_file.h"
#include "tests/engine/torch_writer.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

LL_FUZZ_TARGET(pickle) {
  const MemoryFile memory(torch_zip(std::string(as_text(data, size)), std::string(64, '\1')));
  attempt([&] {
    const TorchFile file(memory.path());
    for (const TensorInfo& t : file.tensors()) {
      if (file.bytes(t.name).size() != numel_of(t.shape) * file_dtype_bytes(t.dtype)) __builtin_trap();
    }
  });
  return 0;
}
