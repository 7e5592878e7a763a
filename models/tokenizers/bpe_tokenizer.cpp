#include "models/tokenizers/bpe_tokenizer.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "engine/error.h"
#include "models/tokenizers/byte_alphabet.h"
#include "models/tokenizers/gpt2_split.h"
#include "models/tokenizers/mark_split.h"
#include "models/tokenizers/utf8.h"
#include "models/tokenizers/word_cache.h"

namespace lowland {

class BpeTokenizer::WordScratch final : public Tokenizer::Scratch {
 public:
  WordScratch(const BpeTokenizer& tokenizer, bool cached) : owner(&tokenizer) {
    if (cached) cache.emplace();
  }
  const BpeTokenizer* owner;
  std::optional<WordCache> cache;
  BpeModel::Scratch merge;
  SplitExpression::Scratch expression;
  std::vector<AddedTokens::Part> parts, inner_parts;
  MappedText normalized, prefixed;
  std::string repaired;
};

// One text on its way. Where ends are asked for, the text at hand knows its place in the whole one.
struct BpeTokenizer::Run {
  WordScratch& scratch;
  std::vector<int32_t>& out;
  std::vector<uint32_t>* ends = nullptr;
  const char* base = nullptr;  // byte i of the text at base ends at offset + (map ? map[i] : i + 1)
  const uint32_t* map = nullptr;
  uint32_t offset = 0;

  void put(int32_t id, const char* end) {
    out.push_back(id);
    if (!ends) return;
    const size_t n = end - base;
    const uint32_t here = offset + (n == 0 ? 0 : map ? map[n - 1] : static_cast<uint32_t>(n));
    ends->push_back(std::max(here, ends->empty() ? 0 : ends->back()));
  }
  // Enters a text made from text, which is a part of the one at base.
  void enter(MappedText& made, std::string_view text, bool mapped) {
    made.text.assign(text);
    if (!mapped) return;
    const size_t at = text.data() - base;
    if (map)
      made.source_end.assign(map + at, map + at + text.size());
    else
      start_map(made.source_end, text.size());
    if (!map) {
      for (uint32_t& end : made.source_end) end += static_cast<uint32_t>(at);
    }
  }
};

BpeTokenizer::BpeTokenizer(BpeModel model, std::vector<AddedToken> added, BpePipeline pipeline, SpecialIds special,
                           InputTemplate around)
    : Tokenizer(special, std::move(around)),
      model_(std::move(model)),
      pipeline_(std::move(pipeline)),
      added_(std::move(added), pipeline_.normalize_added ? pipeline_.normalizer : Normalizer()),
      classes_(unicode_classes()) {
  fill_token_texts();
  if (pipeline_.words == Words::kWhole && !pipeline_.expression && !model_.options().byte_level &&
      !model_.options().ignore_merges && marks_begin_pieces(model_.pieces()))
    pipeline_.words = Words::kMarkRuns;
}

void BpeTokenizer::fill_token_texts() {
  const ByteAlphabet alphabet;
  const bool by_runs = pipeline_.decode.bytes == DecodeRules::Bytes::kByteRuns;
  const bool raw = !pipeline_.repair_utf8;
  const Normalizer marks_to_spaces({{Normalizer::Kind::kReplace, std::string(kMark), " "}});
  const auto token_of = [&](const std::string& piece, bool special) {
    TokenText token{piece, piece, special};
    if (!by_runs && !raw) token.text = alphabet.bytes_of(piece).value_or(piece);
    if (by_runs) token.text = marks_to_spaces.normalized(piece);
    return token;
  };
  for (const std::string& piece : model_.pieces()) tokens_.push_back(token_of(piece, false));
  for (const AddedToken& token : added_.all()) {
    const size_t id = token.id;
    if (id >= tokens_.size()) tokens_.resize(id + 1);
    // The library decodes the normalized form, and does not know a special token by it.
    const bool changes = token.normalized && pipeline_.normalize_added;
    const std::string shown = changes ? pipeline_.normalizer.normalized(token.content) : token.content;
    tokens_[id] = token_of(shown, token.special && shown == token.content);
    tokens_[id].piece = token.content;
  }
  if (!pipeline_.decode.byte_pieces) return;
  for (TokenText& token : tokens_) {  // of any id: the library goes by the text alone
    unsigned byte = 0;
    if (token.piece.size() != 6 || !token.piece.starts_with("<0x") || token.piece[5] != '>') continue;
    if (std::sscanf(token.piece.c_str() + 3, "%2x", &byte) != 1) continue;
    token.text.assign(1, static_cast<char>(byte));
    token.byte = true;
  }
}

std::unique_ptr<Tokenizer::Scratch> BpeTokenizer::make_scratch() const {
  return std::make_unique<WordScratch>(*this, true);
}

std::unique_ptr<Tokenizer::Scratch> BpeTokenizer::make_small_scratch() const {
  return std::make_unique<WordScratch>(*this, false);
}

void BpeTokenizer::encode(std::string_view text, EncodeOptions options, Scratch& scratch,
                          std::vector<int32_t>& out) const {
  auto* words = dynamic_cast<WordScratch*>(&scratch);
  LL_CHECK(words && words->owner == this, "the scratch of one tokenizer was given to another");
  if (pipeline_.repair_utf8 && !utf8_valid(text)) {
    LL_CHECK(options.verbatim.empty(), "a text with verbatim stretches is not valid UTF-8");
    words->repaired = utf8_repair(text);
    text = words->repaired;
  }
  Run run{*words, out};
  encode_text(text, options, run);
}

void BpeTokenizer::encode_with_ends(std::string_view text, EncodeOptions options, std::vector<int32_t>& out,
                                    std::vector<uint32_t>& ends) const {
  LL_CHECK(!pipeline_.repair_utf8 || utf8_valid(text), "a text whose ids are to be located is not valid UTF-8");
  LL_CHECK(text.size() < UINT32_MAX, "a text of {} bytes is too long to locate its ids", text.size());
  WordScratch scratch(*this, false);
  out.clear();
  ends.clear();
  Run run{scratch, out, &ends};
  encode_text(text, options, run);
}

void BpeTokenizer::encode_text(std::string_view text, EncodeOptions options, Run& run) const {
  auto& parts = run.scratch.parts;
  parts.clear();
  if (pipeline_.find_added)
    added_.split(AddedTokens::Pass::kPlain, text, options.parse_special, options.verbatim, parts);
  else if (!text.empty())
    parts.push_back({-1, text});
  for (const AddedTokens::Part& part : parts) {
    run.base = text.data();
    run.map = nullptr;
    if (part.id >= 0)
      run.put(part.id, part.text.data() + part.text.size());
    else
      encode_normalized(part.text, part.text.data() == text.data(), options, run);
  }
}

void BpeTokenizer::encode_normalized(std::string_view text, bool at_text_start, EncodeOptions options, Run& run) const {
  std::vector<TextRange> verbatim;
  const size_t here = text.data() - run.base;
  for (const TextRange& range : options.verbatim) {
    if (range.end > here && range.begin < here + text.size())
      verbatim.push_back({std::max(range.begin, here) - here, std::min(range.end, here + text.size()) - here});
  }
  if (!pipeline_.normalizer.empty()) {
    MappedText& made = run.scratch.normalized;
    const bool mapped = run.ends || !verbatim.empty();
    run.enter(made, text, mapped);
    pipeline_.normalizer.run(made, mapped);
    for (TextRange& range : verbatim) {  // to the same stretch of the normalized text
      const auto behind = [&](size_t source) -> size_t {
        return std::upper_bound(made.source_end.begin(), made.source_end.end(), static_cast<uint32_t>(here + source)) -
               made.source_end.begin();
      };
      range = {behind(range.begin), behind(range.end)};
    }
    text = made.text;
    run.base = text.data();
    run.map = mapped ? made.source_end.data() : nullptr;
  }
  auto& parts = run.scratch.inner_parts;
  parts.clear();
  added_.split(AddedTokens::Pass::kNormalized, text, options.parse_special, verbatim, parts);
  const char* base = run.base;
  const uint32_t* map = run.map;
  for (const AddedTokens::Part& part : parts) {
    run.base = base;
    run.map = map;
    if (part.id >= 0)
      run.put(part.id, part.text.data() + part.text.size());
    else
      encode_stretch(part.text, at_text_start && part.text.data() == text.data(), run);
  }
}

void BpeTokenizer::encode_stretch(std::string_view text, bool at_text_start, Run& run) const {
  if (pipeline_.prefix == Prefix::kNone || (pipeline_.prefix == Prefix::kSpace && text[0] == ' '))
    return encode_parts(text, run);
  MappedText& made = run.scratch.prefixed;
  const bool mapped = run.ends != nullptr;
  run.enter(made, text, mapped);
  if (pipeline_.prefix == Prefix::kSpace) {
    prepend(made, " ", mapped);
  } else {
    replace(made, " ", kMark, mapped);
    const bool wanted =
        pipeline_.prefix == Prefix::kMark || (pipeline_.prefix == Prefix::kMarkAtTextStart && at_text_start);
    if (wanted && !made.text.starts_with(kMark)) prepend(made, kMark, mapped);
  }
  run.base = made.text.data();
  run.map = mapped ? made.source_end.data() : nullptr;
  encode_parts(made.text, run);
}

void BpeTokenizer::encode_parts(std::string_view text, Run& run) const {
  const auto encode_words_of = [&](std::string_view part) {
    if (run.ends)
      encode_words_with_ends(part, run);
    else
      encode_words(part, run);
  };
  if (!pipeline_.expression || pipeline_.words == Words::kExpression) return encode_words_of(text);
  const char *p = text.data(), *end = p + text.size();
  // Its own scratch is free: an expression is used at one level only.
  ExpressionCursor cursor(*pipeline_.expression, text, run.scratch.expression);
  while (p < end) {
    const char* stop = cursor.next();
    encode_words_of({p, static_cast<size_t>(stop - p)});
    p = stop;
  }
}

const char* BpeTokenizer::word_end(const char* p, const char* end) const {
  switch (pipeline_.words) {
    case Words::kGpt2: return gpt2_word_end(classes_, p, end);
    case Words::kMarked: return single_mark_end(p, end);
    case Words::kMarkRuns: return marked_word_end(p, end);
    default: return end;
  }
}

void BpeTokenizer::encode_words(std::string_view text, Run& run) const {
  // Ids are gathered in blocks: a vector's push_back costs as much as the look-up.
  constexpr size_t kBlock = 1024;
  int32_t block[kBlock + WordCache::kMaxIds];
  size_t used = 0;
  const auto flush = [&] {
    run.out.insert(run.out.end(), block, block + used);
    used = 0;
  };
  WordCache* cache = run.scratch.cache ? &*run.scratch.cache : nullptr;
  const char *p = text.data(), *end = p + text.size();
  std::optional<ExpressionCursor> cursor;
  if (pipeline_.words == Words::kExpression) cursor.emplace(*pipeline_.expression, text, run.scratch.expression);
  while (p < end) {
    const char* stop = cursor ? cursor->next() : word_end(p, end);
    const std::string_view word(p, stop - p);
    const bool fits = cache && word.size() <= WordCache::kMaxBytes;
    const WordCache::Key key = fits ? WordCache::key_of(word, end - p) : WordCache::Key{};
    p = stop;
    if (const WordCache::Entry* entry = fits ? cache->find(key) : nullptr) {
      std::copy_n(entry->ids, WordCache::kMaxIds, block + used);
      used += 1 + (entry->ids[1] >= 0) + (entry->ids[2] >= 0) + (entry->ids[3] >= 0);
      if (used >= kBlock) flush();
      continue;
    }
    const std::span<const int32_t> ids = model_.encode(word, run.scratch.merge);
    if (fits && !ids.empty() && ids.size() <= WordCache::kMaxIds) cache->put(key, ids.data(), ids.size());
    flush();
    run.out.insert(run.out.end(), ids.begin(), ids.end());
  }
  flush();
}

void BpeTokenizer::encode_words_with_ends(std::string_view text, Run& run) const {
  const char *p = text.data(), *end = p + text.size();
  std::optional<ExpressionCursor> cursor;
  if (pipeline_.words == Words::kExpression) cursor.emplace(*pipeline_.expression, text, run.scratch.expression);
  while (p < end) {
    const char* stop = cursor ? cursor->next() : word_end(p, end);
    const auto ids = model_.encode({p, static_cast<size_t>(stop - p)}, run.scratch.merge);
    for (size_t i = 0; i < ids.size(); ++i) {
      const TokenText& token = tokens_[ids[i]];
      const bool as_written = !model_.options().byte_level && !token.byte;
      const size_t length = as_written ? token.piece.size() : token.text.size();
      p = i + 1 == ids.size() ? stop : std::min(stop, p + length);
      run.put(ids[i], p);
    }
    p = stop;
  }
}

std::unique_ptr<DecodeStream> BpeTokenizer::decode_stream(bool skip_special) const {
  return std::make_unique<TokenTextStream>(tokens_, pipeline_.decode, skip_special);
}

std::string_view BpeTokenizer::piece(int32_t id) const {
  return id < 0 || id >= vocab_size() ? std::string_view() : tokens_[id].piece;
}

int32_t BpeTokenizer::id_of(std::string_view text) const {
  for (const AddedToken& token : added_.all()) {
    if (token.content == text) return token.id;
  }
  return model_.id_of(text);
}

}  // namespace lowland
