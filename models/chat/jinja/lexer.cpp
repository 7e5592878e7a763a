#include "models/chat/jinja/lexer.h"

#include <algorithm>

#include "engine/error.h"
#include "models/chat/jinja/escapes.h"
#include "models/chat/strip.h"

namespace lowland::jinja {
namespace {

using Kind = Token::Kind;

bool digit(char c) { return c >= '0' && c <= '9'; }
bool name_char(char c) {
  return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) > 127;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source), rest_(source_) {}

  std::vector<Token> run() {
    while (!rest_.empty()) root();
    push(Kind::end, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void bad(const std::string& what) const { fail("line {}: {}", line_, what); }

  void push(Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  void take(size_t n) {
    const std::string_view taken = rest_.substr(0, n);
    line_ += static_cast<int>(std::count(taken.begin(), taken.end(), '\n'));
    if (!taken.empty()) at_line_start_ = taken.back() == '\n';
    rest_.remove_prefix(n);
  }
  void take_blanks() { take(rest_.size() - strip_left(rest_).size()); }

  // Text up to the next tag, and the tag.
  void root() {
    size_t at = 0;
    while (at + 1 < rest_.size() && !(rest_[at] == '{' && std::string_view("{%#").find(rest_[at + 1]) != rest_.npos))
      ++at;
    if (at + 1 >= rest_.size()) {
      push(Kind::data, std::string(rest_));
      return take(rest_.size());
    }
    const char kind = rest_[at + 1];
    const char sign = at + 2 < rest_.size() ? rest_[at + 2] : '\0';
    const bool line_start = at_line_start_;
    std::string_view text = rest_.substr(0, at);
    if (sign == '-') {
      text = strip_right(text);
    } else if (sign != '+' && kind != '{') {
      const size_t line = text.rfind('\n') + 1;  // 0 where there is none
      if ((line > 0 || line_start) && strip_left(text.substr(line)).empty()) text = text.substr(0, line);
    }
    if (!text.empty()) push(Kind::data, std::string(text));
    take(at + 2 + (sign == '-' || sign == '+' ? 1 : 0));
    if (kind == '#') return comment();
    if (kind == '%' && raw()) return;
    push(kind == '{' ? Kind::print_begin : Kind::tag_begin, "");
    inside(kind == '{');
  }

  // The end of a tag at the start of `text`, with the blanks that go with it: its length, 0 if none is there.
  static size_t end_length(std::string_view text, char close, bool trims) {
    const char sign = text.empty() ? '\0' : text[0];
    const bool signed_end = sign == '-' || (sign == '+' && close != '}');
    const size_t n = signed_end ? 1 : 0;
    if (text.size() < n + 2 || text[n] != close || text[n + 1] != '}') return 0;
    const std::string_view after = text.substr(n + 2);
    if (sign == '-') return n + 2 + (after.size() - strip_left(after).size());
    return n + 2 + (trims && n == 0 && close != '}' && after.starts_with('\n') ? 1 : 0);
  }

  void comment() {
    for (size_t at = 0; at < rest_.size(); ++at) {
      if (const size_t n = end_length(rest_.substr(at), '#', true)) return take(at + n);
    }
    bad("a comment {# does not close");
  }

  // {% raw %} ... {% endraw %}, behind its {%.
  bool raw() {
    std::string_view head = strip_left(rest_);
    if (!head.starts_with("raw")) return false;
    head = strip_left(head.substr(3));
    const size_t n = end_length(head, '%', false);
    if (n == 0 || head.starts_with('+')) return false;
    take(rest_.size() - head.size() + n);
    for (size_t at = 0; (at = rest_.find("{%", at)) != rest_.npos; ++at) {
      std::string_view tail = rest_.substr(at + 2);
      const char sign = tail.empty() ? '\0' : tail[0];
      if (sign == '-' || sign == '+') tail.remove_prefix(1);
      tail = strip_left(tail);
      if (!tail.starts_with("endraw")) continue;
      tail = strip_left(tail.substr(6));
      const size_t close = end_length(tail, '%', true);
      if (close == 0) continue;
      std::string_view text = rest_.substr(0, at);
      if (sign == '-') {
        text = strip_right(text);
      } else if (sign != '+') {
        const size_t line = text.rfind('\n') + 1;
        if ((line > 0 || at_line_start_) && strip_left(text.substr(line)).empty()) text = text.substr(0, line);
      }
      if (!text.empty()) push(Kind::data, std::string(text));
      take(rest_.size() - tail.size() + close);
      return true;
    }
    bad("{% raw %} does not end");
  }

  void inside(bool print) {
    std::string open;  // brackets
    while (true) {
      if (open.empty()) {
        if (const size_t n = end_length(rest_, print ? '}' : '%', true)) {
          push(print ? Kind::print_end : Kind::tag_end, "");
          return take(n);
        }
      }
      if (rest_.empty()) bad(print ? "{{ does not close" : "{% does not close");
      const size_t before = rest_.size();
      take_blanks();
      if (rest_.size() != before) continue;
      const char c = rest_[0];
      if (digit(c))
        number();
      else if (name_char(c))
        name();
      else if (c == '\'' || c == '"')
        string(c);
      else
        op(open);
    }
  }

  size_t digits(size_t at) const {
    while (at < rest_.size() &&
           (digit(rest_[at]) || (rest_[at] == '_' && at + 1 < rest_.size() && digit(rest_[at + 1]))))
      ++at;
    return at;
  }

  void number() {
    const bool after_dot = !tokens_.empty() && tokens_.back().is(Kind::op, ".");
    size_t end = digits(0);
    const size_t whole = end;
    if (!after_dot) {
      if (end + 1 < rest_.size() && rest_[end] == '.' && digit(rest_[end + 1])) end = digits(end + 1);
      if (end < rest_.size() && (rest_[end] | 32) == 'e') {
        size_t power = end + 1;
        if (power < rest_.size() && (rest_[power] == '+' || rest_[power] == '-')) ++power;
        if (power < rest_.size() && digit(rest_[power])) end = digits(power);
      }
    }
    Kind kind = end == whole ? Kind::integer : Kind::floating;
    if (kind == Kind::integer && rest_[0] == '0' && rest_.size() > 2 &&
        std::string_view("xXoObB").find(rest_[1]) != rest_.npos) {
      end = 2;
      while (end < rest_.size() && (name_char(rest_[end]))) ++end;
    }
    std::string text(rest_.substr(0, end));
    std::erase(text, '_');
    push(kind, std::move(text));
    take(end);
  }

  void name() {
    size_t end = 1;
    while (end < rest_.size() && name_char(rest_[end])) ++end;
    push(Kind::name, std::string(rest_.substr(0, end)));
    take(end);
  }

  void string(char quote) {
    size_t end = 1;
    while (end < rest_.size() && rest_[end] != quote) end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) bad("a text does not end");
    std::string text;
    if (const char* wrong = unescape(rest_.substr(1, end - 1), text)) bad(wrong);
    push(Kind::string, std::move(text));
    take(end + 1);
  }

  void op(std::string& open) {
    static constexpr std::string_view kTwo[] = {"//", "**", "==", "!=", ">=", "<="};
    size_t n = 1;
    for (const std::string_view two : kTwo)
      if (rest_.starts_with(two)) n = 2;
    const char c = rest_[0];
    if (n == 1 && std::string_view("+-/*%~[](){}<>=.:|,;").find(c) == rest_.npos)
      bad(fmt::format("unexpected character '{}'", c));
    if (n == 1 && (c == '(' || c == '[' || c == '{')) {
      open += c == '(' ? ')' : c == '[' ? ']' : '}';
      if (open.size() > 200) bad("too many brackets within one another");
    }
    if (n == 1 && (c == ')' || c == ']' || c == '}')) {
      if (open.empty() || open.back() != c) bad(fmt::format("unexpected '{}'", c));
      open.pop_back();
    }
    push(Kind::op, std::string(rest_.substr(0, n)));
    take(n);
  }

  std::string_view source_, rest_;
  std::vector<Token> tokens_;
  int line_ = 1;
  bool at_line_start_ = true;
};

}  // namespace

std::vector<Token> read_tokens(std::string_view source) {
  std::string lines;  // Jinja reads any line end as a newline, and leaves the last one out
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r')
      lines += source[i];
    else if (i + 1 == source.size() || source[i + 1] != '\n')
      lines += '\n';
  }
  if (lines.ends_with('\n')) lines.pop_back();
  return Lexer(lines).run();
}

}  // namespace lowland::jinja
