#include "models/decoder/generate.h"

#include <algorithm>
#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "models/decoder/beam_search.h"
#include "models/decoder/kv_cache.h"

namespace lowland {
namespace {

using Sequences = std::vector<std::vector<int32_t>>;

void check_prompts(const Decoder& model, const Sequences& prompts) {
  for (size_t i = 0; i < prompts.size(); ++i) {
    LL_CHECK(!prompts[i].empty(), "prompt {} is empty: a decoder begins with at least one token", i);
    LL_CHECK(static_cast<int64_t>(prompts[i].size()) <= model.max_length(),
             "prompt {} has {} tokens, the model takes {}", i, prompts[i].size(), model.max_length());
  }
}

// What the tokens so far do to the logits of the next: `fresh` joins those `seen`, where anybody asks for them.
void remember_and_forbid(const Sampling& sampling, const std::vector<int32_t>& fresh, std::vector<int32_t>& seen,
                         std::span<float> logits) {
  if (sampling.repetition_penalty == 1 && sampling.no_repeat_ngram == 0) return;
  seen.insert(seen.end(), fresh.begin(), fresh.end());
  if (sampling.repetition_penalty != 1) penalise_repetition(logits, seen, sampling.repetition_penalty);
  if (sampling.no_repeat_ngram > 0) forbid_repeated_ngrams(logits, seen, sampling.no_repeat_ngram);
}

Sequences best_texts(const Decoder& model, const Sequences& prompts, const GenerateOptions& options,
                     const OnToken& on_token) {
  Sequences out;
  for (const std::vector<BeamText>& texts : beam_search(model, prompts, options)) {
    std::vector<int32_t>& tokens = out.emplace_back();
    for (const int32_t id : texts.empty() ? std::vector<int32_t>() : texts.front().tokens) {
      tokens.push_back(id);
      if (on_token) on_token(out.size() - 1, id);
      if (options.ends_after && options.ends_after(out.size() - 1, id)) break;
    }
  }
  return out;
}

}  // namespace

void add_stop(GenerateOptions& options, int32_t id) {
  const auto same = std::find(options.stop.begin(), options.stop.end(), id);
  if (id >= 0 && same == options.stop.end()) options.stop.push_back(id);
}

void check_generation(const Decoder& model, const Sequences& prompts, const GenerateOptions& options) {
  check_sampling(options.sampling);
  LL_CHECK(options.max_new_tokens >= 0, "max-new-tokens must be at least 0, got {}", options.max_new_tokens);
  const Beams& beams = options.beams;
  LL_CHECK(beams.count >= 1 && beams.count <= 1024, "num-beams must be from 1 to 1024, got {}", beams.count);
  LL_CHECK(std::isfinite(beams.length_penalty), "length-penalty must be a number, got {}", beams.length_penalty);
  LL_CHECK(beams.count == 1 || options.sampling.temperature == 0,
           "num-beams {}: a beam search takes the likeliest tokens, and draws none: temperature must be 0, not {}",
           beams.count, options.sampling.temperature);
  check_prompts(model, prompts);
  model.arena().require_centre("generation");
}

int64_t room_for(const Decoder& model, const std::vector<int32_t>& prompt, const GenerateOptions& options) {
  // The last token is chosen but never read: it needs no position.
  const int64_t positions = model.max_length() - static_cast<int64_t>(prompt.size()) + 1;
  return std::min(options.max_new_tokens, positions);
}

Sequences generate(const Decoder& model, const Sequences& prompts, const GenerateOptions& options,
                   const OnToken& on_token, const EmbedPrompts& embed) {
  if (options.beams.count > 1) {
    LL_CHECK(!embed, "a beam search continues texts, and not pictures");
    LL_CHECK(!options.on_scores, "a beam search does not tell the probabilities of tokens");
    return best_texts(model, prompts, options, on_token);
  }
  check_generation(model, prompts, options);
  const NoGrad guard(model.context());
  const PhaseScope phase(model.context().memory(), "generation");
  std::vector<int64_t> most, capacities;
  for (const auto& prompt : prompts) {
    most.push_back(room_for(model, prompt, options));
    capacities.push_back(prompt.size() + std::max<int64_t>(most.back() - 1, 0));
  }
  KvCache cache(model.context(), model.config(), model.dtype(), capacities);
  const int64_t V = model.config().vocab_size;
  const size_t usable = options.vocab_limit > 0 ? std::min(options.vocab_limit, V) : V;
  Sequences out(prompts.size()), next(prompts.size()), seen(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i)
    if (most[i] > 0) next[i] = prompts[i];
  for (bool first = true;; first = false) {
    std::vector<size_t> running;
    for (size_t i = 0; i < next.size(); ++i)
      if (!next[i].empty()) running.push_back(i);
    if (running.empty()) return out;
    for (const size_t i : running) {
      if (embed || !model.reads_again(cache.length(i), next[i].size())) continue;
      next[i] = prompts[i];
      next[i].insert(next[i].end(), out[i].begin(), out[i].end());
      cache.cut(i, 0);
      seen[i].clear();
    }
    const nn::Rows rows = cache.append(next);
    const Tensor x = first && embed ? embed(rows) : model.embed(rows.ids);          // (N, C)
    const Tensor h = model.decode(x, rows, nn::Mode::evaluation(), &cache);         // (K, C)
    std::vector<float> logits = model.logits(h).to(DType::f32).to_vector<float>();  // (K, V)
    for (size_t k = 0; k < running.size(); ++k) {
      const size_t i = running[k];
      const std::span<float> row(logits.data() + k * V, usable);
      const std::vector<float> raw(options.on_scores ? row.begin() : row.end(), row.end());
      remember_and_forbid(options.sampling, next[i], seen[i], row);
      const int32_t id =
          sample(row, options.sampling, static_cast<uint32_t>(i), static_cast<uint32_t>(cache.length(i)));
      next[i].clear();
      if (std::find(options.stop.begin(), options.stop.end(), id) != options.stop.end()) continue;
      out[i].push_back(id);
      if (options.on_scores) options.on_scores(i, token_scores(raw, id, options.top_scores));
      if (on_token) on_token(i, id);
      if (options.ends_after && options.ends_after(i, id)) continue;
      if (static_cast<int64_t>(out[i].size()) < most[i]) next[i] = {id};
    }
  }
}

}  // namespace lowland
