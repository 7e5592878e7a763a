// A GGUF file: its tensors, its configuration and its tokenizer.
#include "engine/io/gguf.h"

#include "engine/ops/ops.h"
#include "kernels/common/blocks.h"
#include "models/gguf/gguf_model.h"
#include "models/llama/config.h"
#include "models/tokenizers/tokenizer.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

namespace {

// The file under a name that says what it is.
class NamedFile {
 public:
  explicit NamedFile(std::string_view content) : file_(content) {
    ::unlink(path_.c_str());
    if (::symlink(file_.path().c_str(), path_.c_str()) != 0) __builtin_trap();
  }
  ~NamedFile() { ::unlink(path_.c_str()); }
  NamedFile(const NamedFile&) = delete;
  NamedFile& operator=(const NamedFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  MemoryFile file_;
  std::string path_ = "/tmp/lowland-fuzz-" + std::to_string(::getpid()) + ".gguf";
};

// A matrix in blocks as a model has it: kept as it lies in the file, multiplied and looked up.
void use(Context& context, const GgufFile& file, const TensorInfo& t, BlockType type) {
  const Tensor w = Tensor::empty(context, t.shape, type);
  file.read_into(t.name, w);
  if (w.dim(0) == 0) return;
  for (const int64_t rows : {1, 5})
    (void)ops::linear(Tensor::zeros(context, {rows, w.dim(1)}, DType::f32), w, Tensor());
  (void)ops::embedding(Tensor::from<int32_t>(context, {1}, {static_cast<int32_t>(w.dim(0) - 1)}), w, DType::f32);
}

}  // namespace

LL_FUZZ_TARGET(gguf) {
  const NamedFile memory(as_text(data, size));
  attempt([&] {
    Context context;
    const GgufFile file(memory.path());
    for (const TensorInfo& t : file.tensors()) {
      if (numel_of(t.shape) >= (1 << 16)) continue;
      attempt([&] { (void)file.load(context, t.name, DType::f32); });
      if (const BlockType type = block_type_named(t.dtype); is_blocks(type))
        attempt([&] { use(context, file, t, type); });
    }
  });
  attempt([&] { (void)LlamaConfig::from_folder(memory.path()); });
  attempt([&] { (void)load_tokenizer(memory.path()); });
  return 0;
}
