#include "models/chat/jinja_texts.h"

#include <algorithm>

namespace lowland {
namespace {

bool blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// A tag `{{ }}`, `{% %}` or `{# #}`, and the text in front of it.
struct Tag {
  std::string_view before, inside;
  char kind = 0;  // '{', '%', '#'; 0: the text's end
  bool strips_left = false, strips_right = false;
};

class Tags {
 public:
  explicit Tags(std::string_view text) : rest_(text) {}
  bool next(Tag& tag) {
    if (done_) return false;
    size_t at = 0;
    while (at + 1 < rest_.size() && !(rest_[at] == '{' && std::string_view("{%#").find(rest_[at + 1]) != rest_.npos))
      ++at;
    tag = {};
    if (at + 1 >= rest_.size()) {
      tag.before = rest_;
      done_ = true;
      return true;
    }
    tag.before = rest_.substr(0, at);
    tag.kind = rest_[at + 1];
    const size_t stop = end_of(at + 2, tag.kind == '{' ? '}' : tag.kind);
    tag.inside = rest_.substr(at + 2, stop - at - 2);
    rest_.remove_prefix(std::min(stop + 2, rest_.size()));
    tag.strips_left = tag.inside.starts_with('-');
    tag.strips_right = tag.inside.ends_with('-');
    if (tag.strips_left) tag.inside.remove_prefix(1);
    if (tag.strips_right && !tag.inside.empty()) tag.inside.remove_suffix(1);
    return true;
  }

 private:
  // Where the tag closes, outside of quotes.
  size_t end_of(size_t at, char close) const {
    char quote = 0;
    for (; at + 1 < rest_.size(); ++at) {
      const char c = rest_[at];
      if (quote && c == '\\')
        ++at;
      else if (quote)
        quote = c == quote ? '\0' : quote;
      else if (close != '#' && (c == '\'' || c == '"'))
        quote = c;
      else if (c == close && rest_[at + 1] == '}')
        return at;
    }
    return rest_.size();
  }

  std::string_view rest_;
  bool done_ = false;
};

struct Literal {
  std::string text;
  size_t code_at;  // where it stands in the code
};

// A tag's inside without blanks, and its literals.
std::string squeeze(std::string_view inside, std::vector<Literal>& literals) {
  std::string code;
  for (size_t i = 0; i < inside.size(); ++i) {
    const char c = inside[i];
    if (c != '\'' && c != '"') {
      if (!blank(c)) code += c;
      continue;
    }
    Literal literal{"", code.size()};
    for (++i; i < inside.size() && inside[i] != c; ++i) {
      if (inside[i] != '\\' || i + 1 == inside.size()) {
        literal.text += inside[i];
        continue;
      }
      const char escaped = inside[++i];
      literal.text += escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped == 'r' ? '\r' : escaped;
    }
    code += "'" + literal.text + "'";
    literals.push_back(std::move(literal));
  }
  return code;
}

bool has(std::string_view code, std::string_view part) { return code.find(part) != code.npos; }

// Whether a branch or loop with this head is entered for tools only.
bool for_tools(std::string_view code) {
  if (!has(code, "tool") && !has(code, "ipython")) return false;
  return !code.starts_with("ifnot") && !code.starts_with("elifnot") && !has(code, "andnotmessage.tool_calls") &&
         (!has(code, "toolsisnone") || has(code, "nottoolsisnone"));
}

// A literal that is compared, looked up or thrown is not put out.
bool is_silent(std::string_view code, const Literal& literal) {
  const std::string_view before = code.substr(0, literal.code_at);
  const std::string_view after = code.substr(literal.code_at + literal.text.size() + 2);
  const bool subscript = before.ends_with('[') && after.starts_with(']');
  const bool compared = before.ends_with("==") || before.ends_with("!=") || after.starts_with("==") ||
                        after.starts_with("in") || after.starts_with("notin") || before.ends_with("equalto',");
  const bool filter = literal.text == "equalto" || before.ends_with("selectattr(");
  return subscript || compared || filter || has(before, "raise_exception(");
}

// The text in front of a tag as it is put out.
std::string put_out(const Tag& previous, const Tag& tag) {
  std::string_view text = tag.before;
  const auto strip_front = [&] {
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  };
  if (previous.strips_right)
    strip_front();
  else if ((previous.kind == '%' || previous.kind == '#') && text.starts_with('\n'))
    text.remove_prefix(1);
  if (tag.strips_left) {
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  } else if (tag.kind == '%' || tag.kind == '#') {  // blanks at the start of a line
    size_t n = text.size();
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t')) --n;
    if (n == 0 || text[n - 1] == '\n') text = text.substr(0, n);
  } else if (tag.kind == 0 && text == "\n") {
    text = {};  // the file's last newline
  }
  return std::string(text);
}

}  // namespace

JinjaTexts read_jinja(std::string_view jinja) {
  JinjaTexts out;
  std::vector<bool> open;  // branches and loops: for tools only
  std::string lines;       // jinja reads any line end as a newline
  for (size_t i = 0; i < jinja.size(); ++i) {
    if (jinja[i] != '\r')
      lines += jinja[i];
    else if (i + 1 == jinja.size() || jinja[i + 1] != '\n')
      lines += '\n';
  }
  Tags tags(lines);
  Tag previous;
  for (Tag tag; tags.next(tag); previous = tag) {
    std::string between = put_out(previous, tag);
    if (!between.empty()) out.between.push_back(std::move(between));
    if (tag.kind != '{' && tag.kind != '%') continue;
    std::vector<Literal> literals;
    const std::string code = squeeze(tag.inside, literals);
    const std::string_view head = code;
    out.code += std::string(1, '{') + tag.kind + code + (tag.kind == '{' ? '}' : '%') + '}';
    if (tag.kind == '%') {
      if (head.starts_with("if") || head.starts_with("for"))
        open.push_back(for_tools(head));
      else if (head.starts_with("elif") && !open.empty())
        open.back() = for_tools(head);
      else if (head == "else" && !open.empty())
        open.back() = false;
      else if ((head == "endif" || head == "endfor") && !open.empty())
        open.pop_back();
    }
    const bool tools = std::find(open.begin(), open.end(), true) != open.end();
    for (Literal& literal : literals) {
      if (!is_silent(code, literal)) out.texts.push_back({std::move(literal.text), tools});
    }
  }
  return out;
}

}  // namespace lowland
