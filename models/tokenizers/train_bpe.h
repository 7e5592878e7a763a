// Training of a byte-level BPE vocabulary, with the rules of the tokenizers library's
// ByteLevelBPETokenizer.train.
//   words   each line of a file, its newline included, is cut as in gpt2_split.h; equal words are counted together
//   start   the special tokens, then the 256 bytes in the order of their characters (byte_alphabet.h)
//   step    the commonest pair of neighbours becomes a new piece; of equally common ones that of the smallest ids
//   end     vocab_size is reached, or no pair occurs min_frequency times
// The result depends on the text only: one thread, no hash order, no random draws.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lowland {

struct TrainBpeOptions {
  int64_t vocab_size = 8192;  // at least the special tokens and 256
  int64_t min_frequency = 2;
  // RoBERTa's, whose ids are then 0 to 4. Each gets its usual role when saved.
  std::vector<std::string> special_tokens = {"<s>", "<pad>", "</s>", "<unk>", "<mask>"};
};

struct BpeVocabulary {
  std::vector<std::string> pieces;                  // by id, as vocab.json writes them
  std::vector<std::pair<int32_t, int32_t>> merges;  // ids, by rank
};

// Error, one sentence: a file that cannot be read (named), a vocab_size that is too small, text without any
// word.
BpeVocabulary train_bpe(const std::vector<std::string>& files, const TrainBpeOptions& options = {});
// The same from texts in memory.
BpeVocabulary train_bpe_on_text(const std::vector<std::string_view>& texts, const TrainBpeOptions& options = {});

// What a model does with texts: a masked one reads `<s> A </s>`; a decoder goes on from `<s> A`.
enum class TokenizerUse : uint8_t { masked, decoder };

// Writes tokenizer.json, vocab.json, merges.txt, special_tokens_map.json and tokenizer_config.json into folder,
// which is made if need be; transformers' AutoTokenizer (of a masked model RobertaTokenizer) and load_tokenizer read
// them to the same ids. A decoder's has no roles but those of <s>, </s>, <pad> and <unk>.
// max_length: the model's usable tokens (RoBERTa: 512).
void save_vocabulary(const BpeVocabulary& vocabulary, const std::string& folder, int64_t max_length = 512,
                     TokenizerUse use = TokenizerUse::masked);

}  // namespace lowland
