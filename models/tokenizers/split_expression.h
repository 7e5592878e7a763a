// The expressions of a tokenizer.json, run by PCRE2 and its JIT compiler.
//
// The package's expressions are run by another library, whose \s, \p{L} and so on are of another Unicode version than
// PCRE2's. So PCRE2 sees no Unicode at all: it sees the shape of a text, one byte per character, in which ASCII stands
// for itself and any other character for which of the expression's sets it is in, and the expression is rewritten to
// match. Text that is all ASCII is its own shape.
#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace lowland {

class SplitExpression {
 public:
  // Throws Error, naming source, if the expression has a part that is not known (expression_parser.h), is no
  // expression, or tells more than 128 kinds of characters apart.
  SplitExpression(const std::string& expression, const std::string& source);
  ~SplitExpression();
  SplitExpression(SplitExpression&&) noexcept;
  SplitExpression& operator=(SplitExpression&&) noexcept;

  // Working memory of one thread.
  class Scratch {
   public:
    Scratch();
    ~Scratch();
    Scratch(Scratch&&) noexcept;

   private:
    friend class SplitExpression;
    friend class ExpressionCursor;
    struct Impl;
    std::unique_ptr<Impl> impl_;
  };

 private:
  friend class ExpressionCursor;
  struct Code;
  std::unique_ptr<Code> code_;
};

// The matches in a text, and what lies between them, in order. A match may be empty; an empty one right behind another
// match is passed over.
class ExpressionCursor {
 public:
  // REQUIRES valid UTF-8; text, expression and scratch outlive the cursor.
  ExpressionCursor(const SplitExpression& expression, std::string_view text, SplitExpression::Scratch& scratch);
  // The end of the stretch that starts where the last one ended; nullptr behind the last.
  const char* next();
  // The same, empty stretches left out. REQUIRES that the last end is not that of the text.
  const char* next_word() {
    const char *from = at_, *end = next();
    while (end == from) end = next();
    return end;
  }
  // Whether the last stretch was a match.
  bool is_match() const { return is_match_; }

 private:
  bool search();

  const SplitExpression& expression_;
  SplitExpression::Scratch::Impl& scratch_;
  std::string_view shape_;
  const char* at_;  // in the text
  bool ascii_;
  bool is_match_ = false, held_ = false;  // held_: a match is found, and what is before it was given
  size_t shape_at_ = 0;                   // characters before at_
  size_t search_at_ = 0;
  size_t match_begin_ = 0, match_end_ = 0;
  size_t last_match_end_ = static_cast<size_t>(-1);
};

// The expression that PCRE2 gets, for the tests.
std::string shape_expression(const std::string& expression, const std::string& source);

}  // namespace lowland
