#include "models/tokenizers/pipeline_tokenizer.h"

#include <algorithm>

#include "engine/error.h"
#include "models/tokenizers/pre_tokenizers/gpt2_split.h"
#include "models/tokenizers/pre_tokenizers/mark_split.h"
#include "models/tokenizers/utf8.h"
#include "models/tokenizers/word_models/bpe_model.h"
#include "models/tokenizers/word_models/word_cache.h"

namespace lowland {

class PipelineTokenizer::WordScratch final : public Tokenizer::Scratch {
 public:
  WordScratch(const PipelineTokenizer& tokenizer, bool cached)
      : owner(&tokenizer), model(tokenizer.model_->make_scratch()) {
    if (cached) cache.emplace();
  }
  const PipelineTokenizer* owner;
  std::optional<WordCache> cache;
  std::unique_ptr<WordModel::Scratch> model;
  WordList list;
  SplitExpression::Scratch expression;
  std::vector<AddedTokens::Part> parts, inner_parts;
  MappedText normalized, prefixed;
  std::string repaired;
};

// One text on its way. Where ends are asked for, the text at hand knows its place in the whole one.
struct PipelineTokenizer::Run {
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

PipelineTokenizer::PipelineTokenizer(std::unique_ptr<WordModel> model, std::vector<AddedToken> added, Pipeline pipeline,
                                     SpecialTokens special, InputTemplate around)
    : Tokenizer(std::move(special), std::move(around)),
      model_(std::move(model)),
      pipeline_(std::move(pipeline)),
      added_(std::move(added), pipeline_.normalize_added ? pipeline_.normalizer.get() : nullptr),
      classes_(unicode_classes()) {
  fill_tokens();
  if (may_run_marks()) pipeline_.words = Words::kMarkRuns;
}

// Whether merges never cross the beginning of a mark, so that words may be cut there.
bool PipelineTokenizer::may_run_marks() const {
  const auto* bpe = dynamic_cast<const BpeModel*>(model_.get());
  if (!bpe || pipeline_.words != Words::kWhole || pipeline_.expression || !pipeline_.pre_tokenizers.empty())
    return false;
  const BpeOptions& options = bpe->options();
  return !options.byte_level && !options.ignore_merges && options.prefix.empty() && options.suffix.empty() &&
         bpe->id_of(kMark) >= 0 && !bpe->drops() && marks_begin_pieces(bpe->pieces());
}

void PipelineTokenizer::fill_tokens() {
  for (const std::string& piece : model_->vocabulary().pieces()) tokens_.push_back({piece, piece, false});
  for (const AddedToken& token : added_.all()) {
    const size_t id = token.id;
    if (id >= tokens_.size()) tokens_.resize(id + 1);
    // The library decodes the normalized form, and does not know a special token by it.
    const bool changes = token.normalized && pipeline_.normalize_added && pipeline_.normalizer;
    std::string shown = changes ? pipeline_.normalizer->normalized(token.content) : token.content;
    const bool special = token.special && shown == token.content;
    tokens_[id] = {token.content, std::move(shown), special};
  }
}

std::unique_ptr<Tokenizer::Scratch> PipelineTokenizer::make_scratch() const {
  return std::make_unique<WordScratch>(*this, true);
}

std::unique_ptr<Tokenizer::Scratch> PipelineTokenizer::make_small_scratch() const {
  return std::make_unique<WordScratch>(*this, false);
}

void PipelineTokenizer::encode(std::string_view text, EncodeOptions options, Scratch& scratch,
                               std::vector<int32_t>& out) const {
  auto* words = dynamic_cast<WordScratch*>(&scratch);
  LL_CHECK(words && words->owner == this, "the scratch of one tokenizer was given to another");
  if (pipeline_.repair_utf8 && !utf8_valid(text)) {
    LL_CHECK(options.verbatim.empty(), "a text with verbatim stretches is not valid UTF-8");
    words->repaired = utf8_repair(text);
    text = words->repaired;
  }
  Run run{*words, out};
  const size_t from = out.size();
  encode_text(text, options, run);
  check_limit(out, from);
}

void PipelineTokenizer::encode_with_ends(std::string_view text, EncodeOptions options, std::vector<int32_t>& out,
                                         std::vector<uint32_t>& ends) const {
  LL_CHECK(!pipeline_.repair_utf8 || utf8_valid(text), "a text whose ids are to be located is not valid UTF-8");
  LL_CHECK(text.size() < UINT32_MAX, "a text of {} bytes is too long to locate its ids", text.size());
  WordScratch scratch(*this, false);
  scratch.model->with_ends = true;
  out.clear();
  ends.clear();
  Run run{scratch, out, &ends};
  encode_text(text, options, run);
  check_limit(out, 0);
}

void PipelineTokenizer::encode_text(std::string_view text, EncodeOptions options, Run& run) const {
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

void PipelineTokenizer::encode_normalized(std::string_view text, bool at_text_start, EncodeOptions options,
                                          Run& run) const {
  std::vector<TextRange> verbatim;
  const size_t here = text.data() - run.base;
  for (const TextRange& range : options.verbatim) {
    if (range.end > here && range.begin < here + text.size())
      verbatim.push_back({std::max(range.begin, here) - here, std::min(range.end, here + text.size()) - here});
  }
  if (pipeline_.normalizer && !text.empty()) {
    MappedText& made = run.scratch.normalized;
    const bool mapped = run.ends || !verbatim.empty();
    run.enter(made, text, mapped);
    pipeline_.normalizer->run(made, mapped);
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
      pre_tokenize(part.text, at_text_start && part.text.data() == text.data(), run);
  }
}

void PipelineTokenizer::pre_tokenize(std::string_view text, bool at_text_start, Run& run) const {
  if (pipeline_.pre_tokenizers.empty()) return encode_stretch(text, at_text_start, run);
  LL_CHECK(text.size() < UINT32_MAX / 8, "a text of {} bytes is too long to be cut", text.size());
  WordList& list = run.scratch.list;
  list.mapped = run.ends != nullptr;
  list.at_text_start = at_text_start;
  list.words.assign(1, {0, static_cast<uint32_t>(text.size())});
  run.enter(list.text, text, list.mapped);
  for (const PreTokenizerPtr& stage : pipeline_.pre_tokenizers) stage->run(list);
  for (const WordList::Word word : list.words) {
    run.base = list.text.text.data();
    run.map = list.mapped ? list.text.source_end.data() : nullptr;
    encode_stretch(list.view(word), at_text_start && word.begin == 0, run);
  }
}

void PipelineTokenizer::encode_stretch(std::string_view text, bool at_text_start, Run& run) const {
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

void PipelineTokenizer::encode_parts(std::string_view text, Run& run) const {
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
    const char* stop = cursor.next_word();
    encode_words_of({p, static_cast<size_t>(stop - p)});
    p = stop;
  }
}

const char* PipelineTokenizer::word_end(const char* p, const char* end) const {
  switch (pipeline_.words) {
    case Words::kGpt2: return gpt2_word_end(classes_, p, end);
    case Words::kMarked: return single_mark_end(p, end);
    case Words::kMarkRuns: return marked_word_end(p, end);
    default: return end;
  }
}

void PipelineTokenizer::encode_words(std::string_view text, Run& run) const {
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
    const char* stop = cursor ? cursor->next_word() : word_end(p, end);
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
    model_->encode(word, *run.scratch.model);
    const std::vector<int32_t>& ids = run.scratch.model->ids;
    if (fits && !ids.empty() && ids.size() <= WordCache::kMaxIds) cache->put(key, ids.data(), ids.size());
    flush();
    run.out.insert(run.out.end(), ids.begin(), ids.end());
  }
  flush();
}

void PipelineTokenizer::encode_words_with_ends(std::string_view text, Run& run) const {
  const char *p = text.data(), *end = p + text.size();
  std::optional<ExpressionCursor> cursor;
  if (pipeline_.words == Words::kExpression) cursor.emplace(*pipeline_.expression, text, run.scratch.expression);
  while (p < end) {
    const char* stop = cursor ? cursor->next_word() : word_end(p, end);
    model_->encode({p, static_cast<size_t>(stop - p)}, *run.scratch.model);
    const auto& [ids, ends] = std::tie(run.scratch.model->ids, run.scratch.model->ends);
    for (size_t i = 0; i < ids.size(); ++i) run.put(ids[i], p + ends[i]);
    p = stop;
  }
}

// The decoder's stages, with what is said and left out before them.
class PipelineTokenizer::Stream final : public DecodeStream {
 public:
  Stream(const std::vector<Token>& tokens, const Decoder& decoder, bool skip_special)
      : tokens_(tokens), skip_special_(skip_special) {
    for (const auto& make : decoder) stages_.push_back(make());
    for (size_t i = 0; i < stages_.size(); ++i)
      stages_[i]->set_next(i + 1 < stages_.size() ? stages_[i + 1].get() : &end_);
  }
  void feed(int32_t id, std::string& out) override {
    if (id < 0 || static_cast<size_t>(id) >= tokens_.size()) return;
    const Token& token = tokens_[id];
    if ((skip_special_ && token.special) || token.piece.empty()) return;
    end_.out = &out;
    first().take(token.shown, true, true);
  }
  void finish(std::string& out) override {
    end_.out = &out;
    first().finish();
  }

 private:
  struct End final : DecodeStage {
    void take(std::string_view text, bool, bool) override { out->append(text); }
    void finish() override {}
    std::string* out = nullptr;
  };
  DecodeStage& first() { return stages_.empty() ? end_ : *stages_[0]; }

  const std::vector<Token>& tokens_;
  bool skip_special_;
  std::vector<std::unique_ptr<DecodeStage>> stages_;
  End end_;
};

std::unique_ptr<DecodeStream> PipelineTokenizer::decode_stream(bool skip_special) const {
  if (!pipeline_.no_decoder.empty()) fail("{}", pipeline_.no_decoder);
  return std::make_unique<Stream>(tokens_, pipeline_.decoder, skip_special);
}

std::string_view PipelineTokenizer::piece(int32_t id) const {
  return id < 0 || id >= vocab_size() ? std::string_view() : tokens_[id].piece;
}

int32_t PipelineTokenizer::id_of(std::string_view text) const {
  for (const AddedToken& token : added_.all()) {
    if (token.content == text) return token.id;
  }
  return model_->id_of(text);
}

}  // namespace lowland
