#include "apps/quickstart/corpus.h"

#include <array>
#include <unordered_map>
#include <unordered_set>

#include "apps/quickstart/words.h"
#include "engine/error.h"
#include "kernels/common/philox.h"

namespace lowland::quickstart {

namespace {

class Draws {
 public:
  explicit Draws(uint64_t seed) : state_(mix64(seed)) {}
  uint64_t below(uint64_t n) { return (mix64(state_++) >> 11) % n; }
  bool chance(uint64_t percent) { return below(100) < percent; }
  template <class List> auto pick(const List& list) { return list[below(list.size())]; }

 private:
  uint64_t state_;
};

// Which of a world's words may be used: all of them, those of the training set (the first quarter), or the others.
enum class Pool { all, labelled, unseen };

std::string_view word(Draws& draw, Words words, Pool pool) {
  const uint64_t n = words.size(), labelled = (n + 3) / 4;
  if (pool == Pool::labelled) return words[draw.below(labelled)];
  if (pool == Pool::unseen) return words[labelled + draw.below(n - labelled)];
  return draw.pick(words);
}

// Frames. p, t, l, e: a person, thing, place, event of the sentence's world; n: a name; h, m, v: what
// is done to a thing, person, place. Only a letter after % is a slot.
constexpr std::array<std::string_view, 6> kClause = {"%n %h the %t at the %l",     "%n %m the %p at the %l",
                                                     "during the %e %n %v the %l", "%n %h the %t and the %t",
                                                     "the %p %h the %t",           "%n %m the %p and the %p"};
// What a line goes on with: an inventory, so that each word keeps the company of many of its world.
constexpr std::array<std::string_view, 4> kInventory = {"%t, %t, %p, %l, %t and %p", "%p, %l, %t, %e, %t and %t",
                                                        "%l, %t, %t, %p, %l and %t", "%e, %t, %p, %t, %l and %p"};

class Filler {
 public:
  Filler(Draws& draw, int world, Pool pool) : draw_(draw), pool_(pool), here_(worlds()[world]) {}

  std::string operator()(std::string_view frame) {
    std::string out;
    for (size_t i = 0; i < frame.size(); ++i) {
      if (frame[i] == '%')
        out += fresh(frame[++i]);
      else
        out += frame[i];
    }
    return out;
  }

 private:
  // "the %t and the %t" must not name one thing twice.
  std::string_view fresh(char slot) {
    std::string_view drawn = last_;
    while (drawn == last_) drawn = draw(slot);
    return last_ = drawn;
  }

  std::string_view draw(char slot) {
    switch (slot) {
      case 'p': return word(draw_, here_.people, pool_);
      case 't': return word(draw_, here_.things, pool_);
      case 'l': return word(draw_, here_.places, pool_);
      case 'e': return word(draw_, here_.events, pool_);
      case 'n': return draw_.pick(names());
      case 'h': return draw_.pick(handlings());
      case 'm': return draw_.pick(meetings());
      case 'v': return draw_.pick(visits());
      default: fail("quickstart: no slot %{}", slot);
    }
  }

  Draws& draw_;
  Pool pool_;
  const World& here_;
  std::string_view last_;
};

std::string clause(Draws& draw, int world, Pool pool) {
  Filler fill(draw, world, pool);
  return fill(draw.pick(kClause));
}

std::string sentence(std::string text) {
  if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text + ".";
}

std::string with_opening(Draws& draw, const std::string& text, uint64_t percent) {
  return draw.chance(percent) ? std::string(draw.pick(openings())) + ", " + text : text;
}

// An inventory of a world, and a clause about the same world, in either order.
std::string line_of(Draws& draw, const std::string& text, int world) {
  Filler fill(draw, world, Pool::all);
  const std::string inventory = sentence(fill(draw.pick(kInventory))), clause = sentence(text);
  return draw.chance(50) ? inventory + " " + clause : clause + " " + inventory;
}

// Another world's label for a part of the examples.
void spoil(std::vector<Example>& examples, uint64_t seed, int64_t percent) {
  Draws draw(seed);
  for (Example& e : examples)
    if (draw.chance(static_cast<uint64_t>(percent)))
      e.label = static_cast<int>((static_cast<uint64_t>(e.label) + 1 + draw.below(kWorlds - 1)) % kWorlds);
}

class Maker {
 public:
  explicit Maker(uint64_t seed) : seed_(seed) {}

  std::vector<Example> examples(uint64_t stream, int64_t n, uint64_t percent_unseen) {
    Draws draw(mix64(seed_) ^ stream);
    std::vector<Example> out;
    for (int64_t tries = 0; std::ssize(out) < n; ++tries) {
      LL_CHECK(tries < 100 * (n + 100), "quickstart: the grammar cannot make {} different examples", n);
      const int world = static_cast<int>(out.size() % kWorlds);
      const Pool pool = draw.chance(percent_unseen) ? Pool::unseen : Pool::labelled;
      const std::string text = clause(draw, world, pool);
      if (used_.insert(text).second) out.push_back({sentence(with_opening(draw, text, 30)), world});
    }
    return out;
  }

  std::vector<std::string> lines(uint64_t stream, int64_t n) {
    Draws draw(mix64(seed_) ^ stream);
    std::vector<std::string> out;
    while (std::ssize(out) < n) {
      const int world = static_cast<int>(draw.below(kWorlds));
      std::string line = line_of(draw, clause(draw, world, Pool::all), world);
      if (!holds_an_example(line)) out.push_back(std::move(line));
    }
    return out;
  }

 private:
  // Whether a clause of the task is anywhere in the line, whatever the case of its first letter.
  bool holds_an_example(const std::string& line) {
    if (by_start_.empty())
      for (const std::string& clause : used_) by_start_.emplace(clause.substr(1, kStart), clause);
    for (size_t i = 0; i + kStart <= line.size(); ++i) {
      const auto [first, last] = by_start_.equal_range(line.substr(i, kStart));
      for (auto it = first; it != last; ++it)
        if (line.compare(i, it->second.size() - 1, it->second, 1, std::string::npos) == 0) return true;
    }
    return false;
  }

  static constexpr size_t kStart = 12;  // characters, fewer than any clause has
  uint64_t seed_;
  std::unordered_set<std::string> used_;  // the clauses of the task: kept out of the text
  std::unordered_multimap<std::string, std::string> by_start_;
};

}  // namespace

std::string clause_of(const Example& example) {
  std::string text = example.text;
  for (const std::string_view opening : openings()) {
    const std::string begin = std::string(opening) + ", ";
    if (!text.starts_with(begin)) continue;
    text.erase(0, begin.size());
    break;
  }
  return text.substr(1, text.size() - 2);
}

Corpus make_corpus(uint64_t seed, const Sizes& sizes) {
  LL_CHECK(sizes.lines > 0 && sizes.train > 0 && sizes.held_out > 0, "quickstart: sizes must be positive");
  LL_CHECK(sizes.wrong_percent >= 0 && sizes.wrong_percent <= 100, "quickstart: {} percent of wrong labels",
           sizes.wrong_percent);
  Maker maker(seed);
  Corpus out;
  out.held_out = maker.examples(1, sizes.held_out, 85);
  out.train = maker.examples(2, sizes.train, 0);
  out.lines = maker.lines(3, sizes.lines);
  spoil(out.train, mix64(seed) ^ 4, sizes.wrong_percent);
  return out;
}

}  // namespace lowland::quickstart
