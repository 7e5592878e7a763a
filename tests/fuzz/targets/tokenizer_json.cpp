// tokenizer.json, and a few texts through what it makes.
#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/tokenizer_files.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

LL_FUZZ_TARGET(tokenizer_json) {
  const MemoryFile memory(as_text(data, size));
  attempt([&] {
    const auto tokenizer = load_tokenizer_json(memory.path());
    for (const char* text : {"Hello, world! 12345", "\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80 <s>", "\xff\xc0 a"})
      attempt([&] { tokenizer->decode(tokenizer->encode(text)); });
  });
  return 0;
}
