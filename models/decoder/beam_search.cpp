#include "models/decoder/beam_search.h"

#include <algorithm>
#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "models/decoder/kv_cache.h"

namespace lowland {
namespace {

using Ids = std::vector<int32_t>;

struct Running {
  Ids tokens;  // new ones; the last is not read yet
  double score = 0;
  size_t slot = 0;  // its sequence in the cache
};

struct Candidate {
  double score = 0;
  size_t from = 0;  // which of the running
  int32_t id = 0;
};

bool better(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.from != b.from ? a.from < b.from : a.id < b.id;
}

// A row of logits as transformers' processors leave its log-probabilities.
std::vector<float> log_probabilities(std::span<const float> logits, const Sampling& sampling, const Ids& before) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  LL_CHECK(std::isfinite(largest), "the model's logits are not numbers at position {}", before.size());
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - largest);
  const double total = largest + std::log(sum);
  std::vector<float> out;
  for (const float x : logits) out.push_back(static_cast<float>(static_cast<double>(x) - total));
  if (sampling.repetition_penalty != 1) penalise_repetition(out, before, sampling.repetition_penalty);
  if (sampling.no_repeat_ngram > 0) forbid_repeated_ngrams(out, before, sampling.no_repeat_ngram);
  return out;
}

// The search after one prompt.
class Search {
 public:
  Search(const Ids& prompt, const GenerateOptions& options, int64_t most, size_t usable, size_t first_slot)
      : prompt_(prompt), options_(options), most_(most), usable_(usable), count_(options.beams.count) {
    for (size_t i = 0; i < count_; ++i) slots_.push_back(first_slot + i);
    held_.resize(count_);
    ever_.resize(count_);
    ever_[0] = true;
    running_ = {{{}, 0, first_slot}};
    done_ = most < 1;
  }

  bool done() const { return done_; }
  const std::vector<Running>& running() const { return running_; }
  std::vector<BeamText> texts() const { return finished_; }

  // Takes the logits of the running beginnings, a row each, and goes on by a token. Adds what the cache must copy.
  void step(const std::vector<std::span<const float>>& logits, std::vector<KvCache::Copy>& copies) {
    for (size_t i = 0; i < running_.size(); ++i) held_[running_[i].slot - slots_[0]] = running_[i].tokens;
    const std::vector<Candidate> best = candidates(logits);
    const auto length = static_cast<int64_t>(running_[0].tokens.size()) + 1;
    const bool full = finished_.size() == count_, closed = full && options_.beams.early == EarlyStopping::first;
    std::vector<Candidate> go_on;
    for (size_t rank = 0; rank < best.size(); ++rank) {
      const Candidate& c = best[rank];
      const bool stops = std::find(options_.stop.begin(), options_.stop.end(), c.id) != options_.stop.end();
      if (!stops && length < most_) {
        if (go_on.size() < count_) go_on.push_back(c);
      } else if (rank < count_ && improvable_ && !closed) {
        finish(c, stops, length);
      }
    }
    std::stable_sort(finished_.begin(), finished_.end(),
                     [](const BeamText& a, const BeamText& b) { return a.score > b.score; });
    if (finished_.size() > count_) finished_.resize(count_);
    move_on(go_on, copies);
    if (running_.empty()) {
      done_ = true;
      return;
    }
    const bool now_full = finished_.size() == count_;
    const bool longest = options_.beams.early == EarlyStopping::never && options_.beams.length_penalty > 0;
    improvable_ =
        improvable_ && (!now_full || scaled(running_[0].score, longest ? most_ : length) > finished_.back().score);
    done_ = !improvable_ || (now_full && options_.beams.early == EarlyStopping::first);
  }

 private:
  double scaled(double score, int64_t length) const {
    return score / std::pow(static_cast<double>(length), options_.beams.length_penalty);
  }

  // The likeliest continuations, the best first.
  std::vector<Candidate> candidates(const std::vector<std::span<const float>>& logits) const {
    const size_t kept = count_ * std::max<size_t>(2, 1 + options_.stop.size());
    std::vector<Candidate> best;  // a heap, the worst at its top
    for (size_t i = 0; i < running_.size(); ++i) {
      Ids before = prompt_;
      before.insert(before.end(), running_[i].tokens.begin(), running_[i].tokens.end());
      const std::vector<float> row = log_probabilities(logits[i], options_.sampling, before);
      for (size_t id = 0; id < usable_; ++id) {
        const Candidate c{running_[i].score + static_cast<double>(row[id]), i, static_cast<int32_t>(id)};
        if (row[id] == -INFINITY || (best.size() == kept && !better(c, best.front()))) continue;
        if (best.size() == kept) {
          std::pop_heap(best.begin(), best.end(), better);
          best.pop_back();
        }
        best.push_back(c);
        std::push_heap(best.begin(), best.end(), better);
      }
    }
    std::sort_heap(best.begin(), best.end(), better);
    return best;
  }

  void finish(const Candidate& c, bool stops, int64_t length) {
    BeamText text{running_[c.from].tokens, scaled(c.score, length)};
    if (!stops) text.tokens.push_back(c.id);
    finished_.push_back(std::move(text));
  }

  // The first continuation of a beginning keeps its place in the cache; others take places that are free.
  void move_on(const std::vector<Candidate>& go_on, std::vector<KvCache::Copy>& copies) {
    std::vector<bool> taken(count_);
    std::vector<size_t> place(go_on.size(), count_);
    for (size_t i = 0; i < go_on.size(); ++i) {
      const size_t own = running_[go_on[i].from].slot - slots_[0];
      if (taken[own]) continue;
      taken[own] = true;
      place[i] = own;
    }
    std::vector<Running> next;
    for (size_t i = 0; i < go_on.size(); ++i) {
      const Running& from = running_[go_on[i].from];
      if (place[i] == count_) {
        place[i] = std::find(taken.begin(), taken.end(), false) - taken.begin();
        taken[place[i]] = true;
        copies.push_back({from.slot, slots_[place[i]], same_tokens(from.tokens, place[i])});
      }
      next.push_back({from.tokens, go_on[i].score, slots_[place[i]]});
      next.back().tokens.push_back(go_on[i].id);
    }
    for (const size_t at : place) ever_[at] = true;
    running_ = std::move(next);
  }

  // How many tokens of the cache at a place, the prompt's among them, are those of a beginning.
  int64_t same_tokens(const Ids& tokens, size_t at) const {
    if (!ever_[at]) return 0;
    const Ids& held = held_[at];
    const auto end = std::mismatch(tokens.begin(), tokens.end(), held.begin(), held.end()).first;
    return std::ssize(prompt_) + (end - tokens.begin());
  }

  const Ids& prompt_;
  const GenerateOptions& options_;
  int64_t most_;
  size_t usable_, count_;
  std::vector<size_t> slots_;
  std::vector<Ids> held_;   // the new tokens whose keys and values lie at each place
  std::vector<bool> ever_;  // whether anything does
  std::vector<Running> running_;
  std::vector<BeamText> finished_;  // the best first
  bool improvable_ = true, done_ = false;
};

}  // namespace

std::vector<std::vector<BeamText>> beam_search(const Decoder& model, const std::vector<Ids>& prompts,
                                               const GenerateOptions& options) {
  check_generation(model, prompts, options);
  const NoGrad guard(model.context());
  const PhaseScope phase(model.context().memory(), "generation");
  const size_t count = options.beams.count, V = model.config().vocab_size;
  const size_t usable = options.vocab_limit > 0 ? std::min<size_t>(options.vocab_limit, V) : V;
  std::vector<int64_t> capacities;
  std::vector<Search> searches;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const int64_t most = room_for(model, prompts[i], options);
    capacities.insert(capacities.end(), count, std::ssize(prompts[i]) + std::max<int64_t>(most - 1, 0));
    searches.emplace_back(prompts[i], options, most, usable, i * count);
  }
  KvCache cache(model.context(), model.config(), model.dtype(), capacities);
  while (true) {
    std::vector<Ids> next(prompts.size() * count);
    for (size_t i = 0; i < prompts.size(); ++i) {
      if (searches[i].done()) continue;
      for (const Running& r : searches[i].running()) {
        LL_CHECK(!model.reads_again(cache.length(r.slot), 1),
                 "beam search does not go beyond the {} tokens up to which this model's positions stay as they are",
                 cache.length(r.slot));
        next[r.slot] = r.tokens.empty() ? prompts[i] : Ids{r.tokens.back()};
      }
    }
    if (std::all_of(next.begin(), next.end(), [](const Ids& ids) { return ids.empty(); })) break;
    const nn::Rows rows = cache.append(next);
    const Tensor h = model.decode(model.embed(rows.ids), rows, nn::Mode::evaluation(), &cache);  // (K, C)
    const std::vector<float> logits = model.logits(h).to(DType::f32).to_vector<float>();         // (K, V)
    std::vector<size_t> row_of(next.size());  // rows come in the order of the cache's sequences
    for (size_t s = 0, k = 0; s < next.size(); ++s) row_of[s] = next[s].empty() ? 0 : k++;
    std::vector<KvCache::Copy> copies;
    for (Search& search : searches) {
      if (search.done()) continue;
      std::vector<std::span<const float>> of_running;
      for (const Running& r : search.running()) of_running.emplace_back(logits.data() + row_of[r.slot] * V, V);
      search.step(of_running, copies);
    }
    cache.copy(copies);
  }
  std::vector<std::vector<BeamText>> out;
  for (const Search& search : searches) out.push_back(search.texts());
  return out;
}

}  // namespace lowland
