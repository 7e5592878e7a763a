#include "models/tokenizers/byte_level_bpe.h"

#include <algorithm>
#include <optional>

#include "engine/error.h"
#include "models/tokenizers/byte_alphabet.h"
#include "models/tokenizers/gpt2_split.h"
#include "models/tokenizers/utf8.h"
#include "models/tokenizers/word_cache.h"

namespace lowland {

class ByteLevelBpe::WordScratch final : public Tokenizer::Scratch {
 public:
  WordScratch(const ByteLevelBpe& tokenizer, bool cached) : owner(&tokenizer) {
    if (cached) cache.emplace();
  }
  const ByteLevelBpe* owner;
  std::optional<WordCache> cache;
  BpeModel::Scratch merge;
  std::vector<AddedTokens::Part> parts;
  std::string repaired, prefixed;
};

ByteLevelBpe::ByteLevelBpe(BpeModel model, AddedTokens added, ByteLevelOptions options, SpecialIds special,
                           InputTemplate around)
    : Tokenizer(special, std::move(around)),
      model_(std::move(model)),
      added_(std::move(added)),
      options_(options),
      classes_(unicode_classes()) {
  const ByteAlphabet alphabet;
  for (const std::string& text : model_.pieces())
    tokens_.push_back({text, alphabet.bytes_of(text).value_or(text)});
  for (const AddedToken& token : added_.all()) {
    const auto id = static_cast<size_t>(token.id);
    if (id >= tokens_.size()) tokens_.resize(id + 1);
    tokens_[id] = {token.content, alphabet.bytes_of(token.content).value_or(token.content), token.special};
  }
}

std::unique_ptr<Tokenizer::Scratch> ByteLevelBpe::make_scratch() const {
  return std::make_unique<WordScratch>(*this, true);
}

std::unique_ptr<Tokenizer::Scratch> ByteLevelBpe::make_small_scratch() const {
  return std::make_unique<WordScratch>(*this, false);
}

void ByteLevelBpe::encode(std::string_view text, EncodeOptions options, Scratch& scratch,
                          std::vector<int32_t>& out) const {
  auto* words = dynamic_cast<WordScratch*>(&scratch);
  LL_CHECK(words && words->owner == this, "the scratch of one tokenizer was given to another");
  if (!utf8_valid(text)) {
    words->repaired = utf8_repair(text);
    text = words->repaired;
  }
  added_.split(text, options.parse_special, words->parts);
  for (const AddedTokens::Part& part : words->parts) {
    if (part.id >= 0) {
      out.push_back(part.id);
    } else if (options_.add_prefix_space && part.text[0] != ' ') {
      words->prefixed.assign(1, ' ').append(part.text);
      encode_words(words->prefixed, *words, out);
    } else {
      encode_words(part.text, *words, out);
    }
  }
}

void ByteLevelBpe::encode_words(std::string_view text, WordScratch& scratch,
                                std::vector<int32_t>& out) const {
  // Ids are gathered in blocks: a vector's push_back costs as much as the look-up.
  constexpr size_t kBlock = 1024;
  int32_t block[kBlock + WordCache::kMaxIds];
  size_t used = 0;
  const auto flush = [&] {
    out.insert(out.end(), block, block + used);
    used = 0;
  };
  WordCache* cache = scratch.cache ? &*scratch.cache : nullptr;
  const char *p = text.data(), *end = p + text.size();
  while (p < end) {
    const char* stop = options_.use_regex ? gpt2_word_end(classes_, p, end) : end;
    const std::string_view word(p, static_cast<size_t>(stop - p));
    const bool fits = cache && word.size() <= WordCache::kMaxBytes;
    const WordCache::Key key =
        fits ? WordCache::key_of(word, static_cast<size_t>(end - p)) : WordCache::Key{};
    p = stop;
    if (const WordCache::Entry* entry = fits ? cache->find(key) : nullptr) {
      std::copy_n(entry->ids, WordCache::kMaxIds, block + used);
      used += 1 + (entry->ids[1] >= 0) + (entry->ids[2] >= 0) + (entry->ids[3] >= 0);
      if (used >= kBlock) flush();
      continue;
    }
    const std::span<const int32_t> ids = model_.encode(word, scratch.merge);
    if (fits && ids.size() <= WordCache::kMaxIds) cache->put(key, ids.data(), ids.size());
    flush();
    out.insert(out.end(), ids.begin(), ids.end());
  }
  flush();
}

std::string ByteLevelBpe::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes;
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab_size()) continue;
    const Token& token = tokens_[static_cast<size_t>(id)];
    if (!(skip_special && token.special)) bytes += token.bytes;
  }
  return utf8_valid(bytes) ? bytes : utf8_repair(bytes);
}

std::string_view ByteLevelBpe::piece(int32_t id) const {
  return id < 0 || id >= vocab_size() ? std::string_view() : tokens_[static_cast<size_t>(id)].piece;
}

int32_t ByteLevelBpe::id_of(std::string_view text) const {
  for (const AddedToken& token : added_.all()) {
    if (token.content == text) return token.id;
  }
  return model_.id_of(text);
}

}  // namespace lowland
