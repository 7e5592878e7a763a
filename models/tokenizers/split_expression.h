// Cuts text into words by the expression of a tokenizer.json, with PCRE2 and its JIT compiler.
//
// The package's expressions are run by another library, whose \s, \p{L} and \p{N} are of another Unicode
// version than PCRE2's. So PCRE2 sees no Unicode at all: it sees the shape of a text, one byte per character,
// in which ASCII stands for itself and any other character for its class (unicode_classes.h), and the
// expression is rewritten to match. Text that is all ASCII is its own shape.
#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace lowland {

class SplitExpression {
 public:
  // Throws Error, naming source, if the expression has a part whose meaning is not surely the same in both
  // libraries (anything but ASCII text, \s, \S, \p{L}, \p{N}, sets, groups, choices, look-around,
  // quantifiers), or if it matches the empty text.
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

// The words of one text: the matches, and what lies between them.
class ExpressionCursor {
 public:
  // REQUIRES valid UTF-8; text, expression and scratch outlive the cursor.
  ExpressionCursor(const SplitExpression& expression, std::string_view text, SplitExpression::Scratch& scratch);
  // The end of the word that starts where the last one ended. REQUIRES that there is one.
  const char* next();

 private:
  const SplitExpression& expression_;
  SplitExpression::Scratch::Impl& scratch_;
  std::string_view shape_;
  const char* at_;  // in the text
  bool ascii_;
  size_t shape_at_ = 0;   // characters before at_
  size_t match_end_ = 0;  // of a match that is found but not yet given; 0: none
};

// The expression that PCRE2 gets, for the tests.
std::string shape_expression(const std::string& expression, const std::string& source);

}  // namespace lowland
