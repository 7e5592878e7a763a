// A GGUF file: its tensors, its configuration and its tokenizer.
#include "engine/io/gguf.h"

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

}  // namespace

LL_FUZZ_TARGET(gguf) {
  const NamedFile memory(as_text(data, size));
  attempt([&] {
    Context context;
    const GgufFile file(memory.path());
    for (const TensorInfo& t : file.tensors())
      if (numel_of(t.shape) < (1 << 16)) attempt([&] { (void)file.load(context, t.name, DType::f32); });
  });
  attempt([&] { (void)LlamaConfig::from_folder(memory.path()); });
  attempt([&] { (void)load_tokenizer(memory.path()); });
  return 0;
}
