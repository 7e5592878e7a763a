// The older files of vocabularies: vocab.json with merges.txt (a byte 0 between them), vocab.txt, tiktoken's,
// llama2.c's. The first byte tells which.
#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/tokenizer_files.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

LL_FUZZ_TARGET(vocabularies) {
  if (size == 0) return 0;
  const std::string_view text = as_text(data + 1, size - 1);
  const size_t cut = std::min(text.find('\0'), text.size());
  const MemoryFile whole(text), first(text.substr(0, cut)), second(text.substr(std::min(cut + 1, text.size())));
  attempt([&] {
    const auto tokenizer = data[0] % 4 == 0   ? load_vocab_and_merges(first.path(), second.path())
                           : data[0] % 4 == 1 ? load_vocab_txt(whole.path())
                           : data[0] % 4 == 2 ? load_tiktoken(whole.path())
                                              : load_llama2c(whole.path());
    for (const char* words : {"Hello, world! 123", "\xc3\xa9\xe4\xb8\xad <s>"})
      attempt([&] { tokenizer->decode(tokenizer->encode(words)); });
  });
  return 0;
}
