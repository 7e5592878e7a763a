// Expressions, weakest first: x if y else z; or; and; not; comparisons; + -; ~; * / // %; **; signs; what follows a
// value: .name [item] (call) |filter `is test`.
#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "models/chat/jinja/functions.h"
#include "models/chat/jinja/parser.h"

namespace lowland::jinja {
namespace {

constexpr int kDeepest = 400;  // of an expression's tree

bool is_constant(const std::string& name, Value& value) {
  if (name == "true" || name == "True" || name == "false" || name == "False") {
    value = Value(name == "true" || name == "True");
    return true;
  }
  if (name != "none" && name != "None") return false;
  value = Value(None{});
  return true;
}

// 12, 0x1F, 0o17, 0b101.
bool parse_integer(std::string_view text, int64_t& out) {
  int base = 10;
  if (text.size() > 2 && text[0] == '0') {
    const char letter = static_cast<char>(text[1] | 32);
    base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    if (base != 10) text.remove_prefix(2);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  const bool zeros = base == 10 && text.size() > 1 && text[0] == '0' && out != 0;
  return error == std::errc() && end == text.data() + text.size() && !zeros;
}

}  // namespace

void Parser::settle(Expr& expr) {
  const auto below = [&](const ExprPtr& e) {
    if (e) expr.depth = std::max(expr.depth, e->depth + 1);
  };
  for (const ExprPtr& e : expr.parts) below(e);
  for (const ExprPtr& e : expr.arguments.positional) below(e);
  for (const auto& e : expr.arguments.named) below(e.second);
  below(expr.arguments.star);
  below(expr.arguments.stars);
  if (expr.depth > kDeepest)
    fail("line {}: an expression of more than {} parts within one another", expr.line, kDeepest);
}

ExprPtr Parser::make(Expr::Kind kind, int line, std::vector<ExprPtr> parts) {
  auto out = std::make_unique<Expr>();
  out->kind = kind;
  out->line = line;
  out->parts = std::move(parts);
  settle(*out);
  return out;
}

// What is assigned to: a name, names in a tuple, an attribute of a namespace.
ExprPtr Parser::target(bool with_namespace) {
  const Level level(*this);
  const int line = now().line;
  std::vector<ExprPtr> parts;
  bool several = false;
  while (true) {
    if (!parts.empty()) expect_op(",");
    if (now().kind == Kind::tag_end || at_op(")")) break;
    if (skip_op("(")) {
      parts.push_back(target(with_namespace));
      expect_op(")");
    } else {
      ExprPtr name = node(Expr::Kind::name, line);
      name->name = expect_name();
      if (is_constant(name->name, name->value)) bad(fmt::format("{} cannot be assigned to", name->name));
      if (with_namespace && skip_op(".")) {
        name = node(Expr::Kind::attribute, line, std::move(name));
        name->name = expect_name();
      } else if (loops_ > 0 && name->name == "loop") {
        bad("loop cannot be assigned to within a loop");
      }
      parts.push_back(std::move(name));
    }
    if (!at_op(",")) break;
    several = true;
  }
  if (!several && parts.size() == 1) return std::move(parts[0]);
  if (parts.empty()) unexpected("a name");
  return make(Expr::Kind::tuple, line, std::move(parts));
}

ExprPtr Parser::tuple(bool with_choice, bool in_brackets) {
  const int line = now().line;
  std::vector<ExprPtr> parts;
  bool several = false;
  while (true) {
    if (!parts.empty()) expect_op(",");
    if (now().kind == Kind::print_end || now().kind == Kind::tag_end || at_op(")")) break;
    parts.push_back(with_choice ? choice() : either());
    if (!at_op(",")) break;
    several = true;
  }
  if (!several && parts.size() == 1) return std::move(parts[0]);
  if (!several && !in_brackets) unexpected("an expression");
  return make(Expr::Kind::tuple, line, std::move(parts));
}

ExprPtr Parser::choice() {
  const Level level(*this);
  int line = now().line;
  ExprPtr left = either();
  while (skip_word("if")) {
    ExprPtr condition = either();
    ExprPtr other = skip_word("else") ? choice() : nullptr;
    left = node(Expr::Kind::choice, line, std::move(left), std::move(condition), std::move(other));
    line = now().line;
  }
  return left;
}

ExprPtr Parser::either() {
  ExprPtr left = both();
  for (int line = now().line; skip_word("or"); line = now().line)
    left = node(Expr::Kind::either, line, std::move(left), both());
  return left;
}

ExprPtr Parser::both() {
  ExprPtr left = negation();
  for (int line = now().line; skip_word("and"); line = now().line)
    left = node(Expr::Kind::both, line, std::move(left), negation());
  return left;
}

ExprPtr Parser::negation() {
  const int line = now().line;
  if (!skip_word("not")) return comparison();
  const Level level(*this);
  ExprPtr out = node(Expr::Kind::unary, line, negation());
  out->op = 'n';
  return out;
}

ExprPtr Parser::comparison() {
  static const std::pair<std::string_view, char> kOps[] = {{"==", '='}, {"!=", '!'}, {"<", '<'},
                                                           {">", '>'},  {"<=", 'l'}, {">=", 'g'}};
  const int line = now().line;
  std::vector<ExprPtr> parts;
  std::string ops;
  parts.push_back(sum());
  while (true) {
    char op = 0;
    for (const auto& [text, code] : kOps)
      if (at_op(text)) op = code;
    if (op) {
      ++at_;
    } else if (skip_word("in")) {
      op = 'i';
    } else if (at_word("not") && ahead().is(Kind::name, "in")) {
      at_ += 2;
      op = 'n';
    } else {
      break;
    }
    ops += op;
    parts.push_back(sum());
  }
  if (ops.empty()) return std::move(parts[0]);
  ExprPtr out = make(Expr::Kind::compare, line, std::move(parts));
  out->ops = std::move(ops);
  return out;
}

ExprPtr Parser::sum() {
  ExprPtr left = concat();
  while (at_op("+") || at_op("-")) {
    const Token op = take();
    left = node(Expr::Kind::binary, op.line, std::move(left), concat());
    left->op = op.text[0];
  }
  return left;
}

ExprPtr Parser::concat() {
  const int line = now().line;
  std::vector<ExprPtr> parts;
  parts.push_back(product());
  while (skip_op("~")) parts.push_back(product());
  return parts.size() == 1 ? std::move(parts[0]) : make(Expr::Kind::concat, line, std::move(parts));
}

ExprPtr Parser::product() {
  ExprPtr left = power();
  while (at_op("*") || at_op("/") || at_op("//") || at_op("%")) {
    const Token op = take();
    left = node(Expr::Kind::binary, op.line, std::move(left), power());
    left->op = op.text == "//" ? '|' : op.text[0];
  }
  return left;
}

ExprPtr Parser::power() {
  ExprPtr left = unary();
  while (at_op("**")) {
    const Token op = take();
    left = node(Expr::Kind::binary, op.line, std::move(left), unary());
    left->op = '^';
  }
  return left;
}

ExprPtr Parser::unary(bool with_filters) {
  const Level level(*this);
  ExprPtr out;
  if (at_op("-") || at_op("+")) {
    const Token op = take();
    out = node(Expr::Kind::unary, op.line, unary(false));
    out->op = op.text[0];
  } else {
    out = primary();
  }
  out = postfix(std::move(out));
  return with_filters ? filters_and_tests(std::move(out)) : std::move(out);
}

ExprPtr Parser::primary() {
  const int line = now().line;
  ExprPtr out = node(Expr::Kind::constant, line);
  if (now().kind == Kind::name) {
    out->name = expect_name();
    if (!is_constant(out->name, out->value)) out->kind = Expr::Kind::name;
  } else if (now().kind == Kind::string) {
    std::string text;
    while (now().kind == Kind::string) text += take().text;
    words_.insert(text);
    out->value = Value(std::move(text));
  } else if (now().kind == Kind::integer) {
    int64_t number = 0;
    if (!parse_integer(now().text, number)) bad(fmt::format("'{}' is no number of 64 bits", now().text));
    ++at_;
    out->value = Value(number);
  } else if (now().kind == Kind::floating) {
    out->value = Value(std::strtod(take().text.c_str(), nullptr));
  } else if (skip_op("(")) {
    out = tuple(true, true);
    expect_op(")");
  } else if (at_op("[")) {
    out = list();
  } else if (at_op("{")) {
    out = dict();
  } else {
    unexpected("an expression");
  }
  return out;
}

ExprPtr Parser::list() {
  const int line = take().line;
  std::vector<ExprPtr> parts;
  while (!at_op("]")) {
    if (!parts.empty()) expect_op(",");
    if (at_op("]")) break;
    parts.push_back(expression());
  }
  expect_op("]");
  return make(Expr::Kind::list, line, std::move(parts));
}

ExprPtr Parser::dict() {
  const int line = take().line;
  std::vector<ExprPtr> parts;
  while (!at_op("}")) {
    if (!parts.empty()) expect_op(",");
    if (at_op("}")) break;
    parts.push_back(expression());
    expect_op(":");
    parts.push_back(expression());
  }
  expect_op("}");
  return make(Expr::Kind::dict, line, std::move(parts));
}

ExprPtr Parser::postfix(ExprPtr out) {
  while (true) {
    if (at_op(".") || at_op("[")) {
      out = subscript(std::move(out));
    } else if (at_op("(")) {
      out = node(Expr::Kind::call, now().line, std::move(out));
      out->arguments = arguments();
      settle(*out);
    } else {
      return out;
    }
  }
}

ExprPtr Parser::filters_and_tests(ExprPtr out) {
  while (true) {
    if (at_op("|")) {
      out = filter(std::move(out));
    } else if (skip_word("is")) {
      out = test(std::move(out));
    } else if (at_op("(")) {
      out = node(Expr::Kind::call, now().line, std::move(out));
      out->arguments = arguments();
      settle(*out);
    } else {
      return out;
    }
  }
}

ExprPtr Parser::subscript(ExprPtr out) {
  const int line = now().line;
  if (skip_op(".")) {
    if (now().kind == Kind::name) {
      out = node(Expr::Kind::attribute, line, std::move(out));
      out->name = expect_name();
      return out;
    }
    if (now().kind != Kind::integer) unexpected("a name or a number");
    return node(Expr::Kind::item, line, std::move(out), primary());
  }
  ++at_;  // [
  ExprPtr parts[3];
  if (!at_op(":")) {
    parts[0] = expression();
    if (at_op(",")) {
      std::vector<ExprPtr> several;
      several.push_back(std::move(parts[0]));
      while (skip_op(",")) several.push_back(expression());
      parts[0] = make(Expr::Kind::tuple, line, std::move(several));
    }
    if (skip_op("]")) return node(Expr::Kind::item, line, std::move(out), std::move(parts[0]));
  }
  expect_op(":");
  if (!at_op(":") && !at_op("]")) parts[1] = expression();
  if (skip_op(":") && !at_op("]")) parts[2] = expression();
  expect_op("]");
  return node(Expr::Kind::slice, line, std::move(out), std::move(parts[0]), std::move(parts[1]), std::move(parts[2]));
}

CallArguments Parser::arguments() {
  CallArguments out;
  expect_op("(");
  const auto ensure = [this](bool fine) {
    if (!fine) bad("the arguments of a call are out of order");
  };
  for (bool first = true; !at_op(")"); first = false) {
    if (!first) expect_op(",");
    if (at_op(")")) break;
    if (skip_op("*")) {
      ensure(!out.star && !out.stars);
      out.star = expression();
    } else if (skip_op("**")) {
      ensure(!out.stars);
      out.stars = expression();
    } else if (now().kind == Kind::name && ahead().is(Kind::op, "=")) {
      ensure(!out.stars);
      std::string name = expect_name();
      ++at_;
      out.named.emplace_back(std::move(name), expression());
    } else {
      ensure(!out.star && !out.stars && out.named.empty());
      out.positional.push_back(expression());
    }
  }
  expect_op(")");
  return out;
}

ExprPtr Parser::filter(ExprPtr input) {
  const int line = now().line;
  expect_op("|");
  ExprPtr out = node(Expr::Kind::filter, line, std::move(input));
  out->name = expect_name();
  while (skip_op(".")) out->name += "." + expect_name();
  out->filter = find_filter(out->name);
  if (at_op("(")) out->arguments = arguments();
  settle(*out);
  return out;
}

ExprPtr Parser::test(ExprPtr input) {
  const int line = now().line;
  const bool negated = skip_word("not");
  ExprPtr out = node(Expr::Kind::test, line, std::move(input));
  out->name = expect_name();
  while (skip_op(".")) out->name += "." + expect_name();
  out->test = find_test(out->name);
  const bool word = now().kind == Kind::name && !at_word("else") && !at_word("or") && !at_word("and");
  if (at_op("(")) {
    out->arguments = arguments();
  } else if (word || now().kind == Kind::string || now().kind == Kind::integer || now().kind == Kind::floating ||
             at_op("[") || at_op("{")) {
    if (at_word("is")) bad("tests cannot be chained with is");
    out->arguments.positional.push_back(postfix(primary()));
  }
  settle(*out);
  if (!negated) return out;
  out = node(Expr::Kind::unary, line, std::move(out));
  out->op = 'n';
  return out;
}

}  // namespace lowland::jinja
