// Rewrites an expression on Unicode text into one on shapes (split_expression.h).
#include <cctype>
#include <vector>

#include "engine/error.h"
#include "models/tokenizers/split_expression.h"

namespace lowland {
namespace {

// As the inside of a set. The shapes of U+017F and U+212A are letters that, case ignored, are also s and k.
constexpr const char* kLetters = "A-Za-z\\x80\\x84\\x85";
constexpr const char* kNumbers = "0-9\\x81";
constexpr const char* kSpaces = "\\x09-\\x0d\\x20\\x82";

class Rewriter {
 public:
  Rewriter(const std::string& text, const std::string& source) : text_(text), source_(source) {}

  std::string run() {
    while (at_ < text_.size()) {
      if (text_[at_] == '[')
        set();
      else if (text_[at_] == '(')
        group();
      else if (text_[at_] == '\\')
        escape(false);
      else
        plain();
    }
    return out_;
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail("{}: the expression '{}' of the pre_tokenizer has {}, which is not reproduced", source_, text_, what);
  }
  char peek(size_t ahead) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  void plain() {
    const char c = text_[at_];
    if (static_cast<unsigned char>(c) >= 0x80) refuse("a character that is not ASCII");
    if (c == '.' || c == '^' || c == '$') refuse(std::string("'") + c + "'");
    if (c == '}' && peek(1) == '+') refuse("'}+', which the two libraries read differently");
    if (c == '{' && peek(1) == ',') refuse("'{,', which the two libraries read differently");
    if (c == ')' && !caseless_.empty()) caseless_.pop_back();
    literal(c);
    ++at_;
  }

  void literal(char c) {
    const bool caseless = !caseless_.empty() && caseless_.back();
    if (caseless && (c == 's' || c == 'S'))
      out_ += "[s\\x84]";
    else if (caseless && (c == 'k' || c == 'K'))
      out_ += "[k\\x85]";
    else
      out_ += c;
  }

  void group() {
    const bool outer = !caseless_.empty() && caseless_.back();
    for (const char* head : {"(?i:", "(?:", "(?=", "(?!", "(?<=", "(?<!", "("}) {
      if (!std::string_view(text_).substr(at_).starts_with(head)) continue;
      const std::string_view found = head;
      if (found == "(" && peek(1) == '?') refuse(text_.substr(at_, 4));
      out_ += found;
      at_ += found.size();
      caseless_.push_back(outer || found == "(?i:");
      return;
    }
  }

  // \s, \S, \p{L}, \p{N}, \r, \n, \t or an escaped sign, outside and inside a set.
  void escape(bool in_set) {
    const char c = peek(1);
    const auto put = [&](const char* inside, bool negated) {
      if (in_set && negated) refuse("a negated class in a set");
      out_ += in_set ? inside : std::string(negated ? "[^" : "[") + inside + "]";
    };
    if (c == 'p' || c == 'P') {
      const std::string name = text_.substr(at_ + 2, 3);
      if (name == "{L}")
        put(kLetters, c == 'P');
      else if (name == "{N}")
        put(kNumbers, c == 'P');
      else
        refuse(fmt::format("\\{}{}", c, text_.substr(at_ + 2, text_.find('}', at_) - at_ - 1)));
      at_ += 5;
      return;
    }
    if (c == 's' || c == 'S') {
      put(kSpaces, c == 'S');
    } else {
      const bool sign = c > ' ' && c < 0x7f && !std::isalnum(static_cast<unsigned char>(c));
      if (c != 'r' && c != 'n' && c != 't' && !sign) refuse(std::string("\\") + c);
      out_ += {'\\', c};
    }
    at_ += 2;
  }

  void set() {
    if (!caseless_.empty() && caseless_.back()) refuse("a set in a group that ignores case");
    out_ += '[';
    ++at_;
    if (peek(0) == '^') {
      out_ += '^';
      ++at_;
    }
    for (bool first = true; peek(0) != ']' || first; first = false) {
      const char c = peek(0);
      if (at_ >= text_.size()) refuse("a set without an end");
      if (c == '[' || c == ']' || (c == '&' && peek(1) == '&')) refuse(std::string("'") + c + "' in a set");
      if (static_cast<unsigned char>(c) >= 0x80) refuse("a character that is not ASCII");
      if (c == '\\') {
        escape(true);
      } else {
        out_ += c;
        ++at_;
      }
    }
    out_ += ']';
    ++at_;
  }

  const std::string& text_;
  const std::string& source_;
  std::string out_;
  size_t at_ = 0;
  std::vector<bool> caseless_;  // of the groups that are open
};

}  // namespace

std::string shape_expression(const std::string& expression, const std::string& source) {
  return Rewriter(expression, source).run();
}

}  // namespace lowland
