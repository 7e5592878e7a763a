// What one rendering may cost. A hostile template ends in an Error, not in a full memory.
#pragma once
#include <cstdint>

#include "engine/error.h"

namespace lowland::jinja {

struct Limits {
  int64_t steps = 4'000'000;           // expressions evaluated, and what stands for them
  int64_t bytes = 40'000'000;          // ever made: texts, lists, scopes
  int64_t depth = 600;                 // of expressions and statements within one another, macros' included
  static constexpr int nesting = 200;  // of lists within lists, and of brackets and blocks in a template
};

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits) {}

  void steps(int64_t n = 1) {
    steps_ += n;
    LL_CHECK(steps_ <= limits_.steps, "the template takes more than {} steps", limits_.steps);
  }
  void bytes(size_t n) {
    bytes_ += static_cast<int64_t>(n);
    LL_CHECK(bytes_ <= limits_.bytes, "the template makes more than {} bytes", limits_.bytes);
    steps(1 + static_cast<int64_t>(n / 256));
  }

  // Counts a level for as long as it lives.
  class Level {
   public:
    explicit Level(Budget& budget) : budget_(budget) {
      LL_CHECK(++budget_.depth_ <= budget_.limits_.depth, "the template nests deeper than {} levels",
               budget_.limits_.depth);
      budget_.steps();
    }
    ~Level() { --budget_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Budget& budget_;
  };

 private:
  Limits limits_;
  int64_t steps_ = 0, bytes_ = 0, depth_ = 0;
};

}  // namespace lowland::jinja
