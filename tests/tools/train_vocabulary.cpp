// Trains a vocabulary, for tests/golden/check_tokenizer.py.      train_vocabulary FOLDER VOCAB_SIZE FILE...
#include <cstdlib>

#include "engine/error.h"
#include "models/tokenizers/train_bpe.h"

using namespace lowland;

int main(int argc, char** argv) try {
  LL_CHECK(argc >= 4, "usage: {} FOLDER VOCAB_SIZE FILE...", argv[0]);
  const BpeVocabulary vocabulary =
      train_bpe(std::vector<std::string>(argv + 3, argv + argc), {.vocab_size = std::atoll(argv[2])});
  save_vocabulary(vocabulary, argv[1]);
  fmt::print("{} pieces, {} merges\n", vocabulary.pieces.size(), vocabulary.merges.size());
} catch (const std::exception& e) {
  fmt::print(stderr, "error: {}\n", e.what());
  return 1;
}
