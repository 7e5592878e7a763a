#include "models/tokenizers/expression_parser.h"

#include <cctype>

#include "engine/error.h"
#include "models/tokenizers/unicode_classes.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

constexpr size_t kMostSets = 1000, kDeepest = 100;

class Parser {
 public:
  Parser(const std::string& text, const std::string& source) : text_(text), source_(source) {
    if (!utf8_valid(text)) refuse("bytes that are not UTF-8");
  }

  ParsedExpression run() {
    while (at_ < text_.size()) next();
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail("{}: the expression '{}' has {}, which is not reproduced", source_, text_, what);
  }
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool take(std::string_view head) {
    if (!std::string_view(text_).substr(at_).starts_with(head)) return false;
    at_ += head.size();
    return true;
  }
  void op(std::string_view text) { out_.items.push_back({std::string(text), 0}); }
  void put(CodeSet set) {
    if (caseless_.back()) set = set.caseless();
    if (out_.sets.size() >= kMostSets) refuse(fmt::format("more than {} characters and sets", kMostSets));
    out_.items.push_back({"", out_.sets.size()});
    out_.sets.push_back(std::move(set));
  }
  char32_t character() {
    const Utf8Char c = utf8_next(text_.data() + at_, text_.data() + text_.size());
    at_ += c.length;
    return c.code;
  }

  void next() {
    const char c = peek();
    if (c == '[') {
      put(set(0));
    } else if (c == '(') {
      group();
    } else if (c == '\\') {
      if (!assertion()) put(escape());
    } else if (c == '*' || c == '+' || c == '?' || (c == '{' && is_interval())) {
      quantifier();
    } else if (c == ')') {
      if (caseless_.size() > 1) caseless_.pop_back();
      op(text_.substr(at_++, 1));
    } else if (c == '|') {
      op(text_.substr(at_++, 1));
    } else if (c == '.') {
      ++at_;
      put(CodeSet({{'\n', '\n'}}).complement());
    } else if (c == '^' || c == '$') {  // of a line, always
      ++at_;
      op(c == '^' ? "(?<![^\\n])" : "(?:(?=\\n)|\\z)");
    } else {
      const char32_t code = character();
      put({{code, code}});
    }
  }

  // {2} {2,} {,3} {2,3}; anything else is text.
  bool is_interval() const {
    size_t i = 1, digits = 0;
    for (; std::isdigit(static_cast<unsigned char>(peek(i))) || peek(i) == ','; ++i) digits += peek(i) != ',';
    return digits > 0 && peek(i) == '}';
  }

  void quantifier() {
    std::string out;
    if (peek() == '{') {
      const size_t end = text_.find('}', at_);
      out = text_.substr(at_, end + 1 - at_);
      at_ = end + 1;
      if (out[1] == ',') out.insert(1, "0");
      if (peek() == '+') refuse("'}+', which the two libraries read differently");
      if (peek() == '?' && out.find(',') == std::string::npos) refuse("'}?', which the two libraries read differently");
    } else {
      out = text_[at_++];
      if (peek() == '+') return ++at_, op(out + "+");
    }
    if (peek() == '?') out += text_[at_++];
    if (peek() == '*' || peek() == '+' || peek() == '?' || (peek() == '{' && is_interval()))
      refuse("a quantifier of a quantifier");
    op(out);
  }

  void group() {
    const bool outer = caseless_.back();
    // For the rest of the group; in the middle of a choice it would take the choices behind it along.
    const bool begins = out_.items.empty() || out_.items.back().op.starts_with('(') || out_.items.back().op == "|";
    if (begins && take("(?i)")) {
      caseless_.back() = true;
      return;
    }
    if (take("(?#")) {
      at_ = std::min(text_.find(')', at_), text_.size() - 1) + 1;
      return;
    }
    if (caseless_.size() > kDeepest) refuse(fmt::format("groups more than {} deep", kDeepest));
    for (const char* head : {"(?i:", "(?-i:", "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"}) {
      if (!take(head)) continue;
      const std::string_view found = head;
      caseless_.push_back(found == "(?i:" || (outer && found != "(?-i:"));
      return op(found.find('i') == std::string_view::npos ? found : "(?:");
    }
    if (peek(1) == '?') refuse(text_.substr(at_, 4));
    ++at_;
    caseless_.push_back(outer);
    op("(?:");
  }

  // Escapes that match no character, or several, or others than within a set.
  bool assertion() {
    switch (peek(1)) {
      case 'A': op("\\A"); break;
      case 'z': op("\\z"); break;
      case 'Z': op("(?=\\n?\\z)"); break;
      case 'R': op("(?>\\r\\n|"), put({{'\n', '\r'}, {0x85, 0x85}, {0x2028, 0x2029}}), op(")"); break;
      case 'w': put(bare_word_set()); break;
      case 'b': edge(true); break;
      case 'B': edge(false); break;
      default: return false;
    }
    at_ += 2;
    return true;
  }
  void edge(bool wanted) {
    const CodeSet word = bare_word_set();
    const auto side = [&](const char* head) { op(head), put(word), op(")"); };
    op("(?:"), side("(?<="), side(wanted ? "(?!" : "(?="), op("|");
    side("(?<!"), side(wanted ? "(?=" : "(?!"), op(")");
  }

  // \w of Oniguruma lacks two characters of the class.
  static CodeSet word_set() {
    CodeSet out;
    for (char32_t c = 0; c <= CodeSet::kLast; ++c) {
      if (unicode_classes()[c] & kW && c != 0x200C && c != 0x200D) out.add(c, c);
    }
    return out;
  }

  // By itself, and to \b, a few more characters are words.
  static CodeSet bare_word_set() {
    CodeSet out = word_set();
    out.add({{0xB2, 0xB3}, {0xB9, 0xB9}, {0xBC, 0xBE}});
    return out;
  }

  char32_t hexadecimal(size_t most) {
    char32_t code = 0;
    size_t digits = 0;
    for (; digits < most && std::isxdigit(static_cast<unsigned char>(peek())); ++digits, ++at_)
      code = code * 16 + static_cast<char32_t>(std::stoi(std::string(1, peek()), nullptr, 16));
    if (digits == 0 || code > CodeSet::kLast) refuse("a number that is no character");
    return code;
  }

  // The escape at hand, as a set; a single character as a set of one.
  CodeSet escape() {
    const char c = peek(1);
    at_ += 2;
    CodeSet found;
    switch (c) {
      case 'p':
      case 'P': return property(c == 'P');
      case 's':
      case 'S': property_set("space", found); return c == 'S' ? found.complement() : found;
      case 'd':
      case 'D': property_set("nd", found); return c == 'D' ? found.complement() : found;
      case 'w':
      case 'W': found = word_set(); return c == 'W' ? found.complement() : found;
      case 'h':
      case 'H': found = {{'0', '9'}, {'a', 'f'}, {'A', 'F'}}; return c == 'H' ? found.complement() : found;
      default: break;
    }
    const char32_t code = escaped_character(c);
    return {{code, code}};
  }

  char32_t escaped_character(char c) {
    static constexpr std::string_view kNames = "tnrfvae", kCodes = "\t\n\r\f\v\a\x1b";
    if (const size_t known = kNames.find(c); c != '\0' && known != std::string_view::npos)
      return static_cast<unsigned char>(kCodes[known]);
    if (c == 'u') return hexadecimal(4);
    if (c == 'x' && !take("{")) return hexadecimal(2);
    if (c == 'x') {
      const char32_t code = hexadecimal(8);
      if (!take("}")) refuse("\\x{ without an end");
      return code;
    }
    if (c == '\0' || std::isalnum(static_cast<unsigned char>(c))) refuse(std::string("\\") + c);
    --at_;
    return character();
  }

  CodeSet property(bool negated) {
    const size_t end = text_.find('}', at_);
    if (peek() != '{' || end == std::string::npos) refuse("\\p without a name");
    std::string_view name = std::string_view(text_).substr(at_ + 1, end - at_ - 1);
    const std::string shown = fmt::format("\\{}{{{}}}", negated ? 'P' : 'p', name);
    if (name.starts_with('^')) name.remove_prefix(1), negated = !negated;
    CodeSet found;
    if (!property_set(name, found)) refuse(shown);
    at_ = end + 1;
    return negated ? found.complement() : found;
  }

  // [...] with ranges, sets in it and intersections; at_ is at its bracket.
  CodeSet set(size_t depth) {
    if (depth > kDeepest) refuse(fmt::format("sets more than {} deep", kDeepest));
    ++at_;
    const bool negated = take("^");
    CodeSet whole({{0, CodeSet::kLast}}), part;
    for (bool first = true; peek() != ']' || first; first = false) {
      if (at_ >= text_.size()) refuse("a set without an end");
      if (take("&&")) {
        whole = whole.intersection(part);
        part = CodeSet();
      } else if (peek() == '[') {
        if (peek(1) == ':')
          refuse(text_.substr(at_, std::min(text_.find(']', at_), text_.size()) + 1 - at_) + " in a set");
        part.add(set(depth + 1));
      } else {
        add_range(part);
      }
    }
    ++at_;
    whole = whole.intersection(part);
    return negated ? whole.complement() : whole;
  }

  void add_range(CodeSet& out) {
    const auto one = [this](CodeSet& found) {
      found = peek() == '\\' ? escape() : CodeSet();
      if (!found.ranges().empty()) return;
      const char32_t code = character();
      found.add(code, code);
    };
    CodeSet low, high;
    one(low);
    if (peek() != '-' || peek(1) == ']' || at_ + 1 >= text_.size()) return out.add(low);
    const auto is_one = [](const CodeSet& s) {
      return s.ranges().size() == 1 && s.ranges()[0].first == s.ranges()[0].last;
    };
    if (!is_one(low)) return out.add(low);  // a class, then a minus sign as it is
    ++at_;
    if (peek() == '[') refuse("a range that ends in a set");
    one(high);
    if (!is_one(high) || high.ranges()[0].first < low.ranges()[0].first) refuse("a range without an end");
    out.add(low.ranges()[0].first, high.ranges()[0].first);
  }

  const std::string& text_;
  const std::string& source_;
  ParsedExpression out_;
  size_t at_ = 0;
  std::vector<bool> caseless_ = {false};  // of the groups that are open
};

}  // namespace

ParsedExpression parse_expression(const std::string& expression, const std::string& source) {
  return Parser(expression, source).run();
}

}  // namespace lowland
