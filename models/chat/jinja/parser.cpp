#include "models/chat/jinja/parser.h"

#include <algorithm>
#include <utility>

#include "models/chat/jinja/functions.h"

namespace lowland::jinja {

Parser::Level::Level(Parser& parser) : parser_(parser) {
  if (++parser.depth_ > Limits::nesting) {
    --parser.depth_;
    parser.bad(fmt::format("more than {} brackets or blocks within one another", Limits::nesting));
  }
}

void Parser::bad(const std::string& what) const { fail("line {}: {}", now().line, what); }

void Parser::unexpected(const char* wanted) const {
  if (now().kind == Kind::end) bad(fmt::format("the template ends where {} is expected", wanted));
  const std::string& text = now().text;
  const bool tag_end = now().kind == Kind::tag_end || now().kind == Kind::print_end;
  bad(fmt::format("{} where {} is expected", tag_end ? "the tag ends" : fmt::format("'{}' stands", text), wanted));
}

bool Parser::skip_op(std::string_view op) {
  if (!at_op(op)) return false;
  ++at_;
  return true;
}

bool Parser::skip_word(std::string_view word) {
  if (!at_word(word)) return false;
  ++at_;
  return true;
}

void Parser::expect_op(std::string_view op) {
  if (!skip_op(op)) unexpected(fmt::format("'{}'", op).c_str());
}

void Parser::expect(Kind kind, const char* what) {
  if (now().kind != kind) unexpected(what);
  ++at_;
}

std::string Parser::expect_name() {
  if (now().kind != Kind::name) unexpected("a name");
  const std::string& name = now().text;
  words_.insert(name);
  varargs_ += name == "varargs" ? 1 : 0;
  kwargs_ += name == "kwargs" ? 1 : 0;
  callers_ += name == "caller" ? 1 : 0;
  return take().text;
}

std::vector<Stmt> Parser::statements(Ends ends) {
  const Level level(*this);
  std::vector<Stmt> out;
  while (now().kind != Kind::end) {
    Stmt stmt;
    stmt.line = now().line;
    if (now().kind == Kind::data) {
      stmt.kind = Stmt::Kind::data;
      stmt.value = Value(make_text(take().text));
    } else if (now().kind == Kind::print_begin) {
      ++at_;
      stmt.kind = Stmt::Kind::print;
      stmt.expr = tuple();
      expect(Kind::print_end, "}}");
    } else {
      expect(Kind::tag_begin, "a tag");
      if (now().kind == Kind::name && std::find(ends.begin(), ends.end(), now().text) != ends.end()) return out;
      stmt = statement();
      expect(Kind::tag_end, "%}");
    }
    out.push_back(std::move(stmt));
  }
  if (ends.size() > 0) bad(fmt::format("the template ends where {{% {} %}} is expected", *(ends.end() - 1)));
  return out;
}

std::vector<Stmt> Parser::body(Ends ends) {
  skip_op(":");
  expect(Kind::tag_end, "%}");
  return statements(ends);
}

std::vector<Stmt> Parser::body_to(std::string_view end) {
  std::vector<Stmt> out = body({end});
  ++at_;
  return out;
}

std::vector<Stmt> Parser::function_body(std::string_view end) {
  const bool breaks = std::exchange(breaks_, false);
  std::vector<Stmt> out = body_to(end);
  breaks_ = breaks;
  return out;
}

Stmt Parser::begin(Stmt::Kind kind) {
  Stmt stmt;
  stmt.kind = kind;
  stmt.line = now().line;
  ++at_;
  return stmt;
}

Stmt Parser::statement() {
  if (now().kind != Kind::name) unexpected("the name of a tag");
  const std::string tag = now().text;
  if (tag == "for") return parse_for();
  if (tag == "if") return parse_if();
  if (tag == "set") return parse_set();
  if (tag == "macro") return parse_macro();
  if (tag == "call") return parse_call_block();
  if (tag == "filter") return parse_filter_block();
  if (tag == "with") return parse_with();
  if (tag == "block") return parse_named_block();
  if (tag == "break" || tag == "continue") {
    if (!breaks_) bad(fmt::format("{} outside a loop", tag));
    return begin(tag == "break" ? Stmt::Kind::stop : Stmt::Kind::next);
  }
  if (tag == "generation") {
    words_.insert("{% generation %}");
    Stmt stmt = begin(Stmt::Kind::generation);
    stmt.body = function_body("endgeneration");
    return stmt;
  }
  if (tag == "print") {
    Stmt stmt = begin(Stmt::Kind::print);
    stmt.expr = tuple();
    if (stmt.expr->kind == Expr::Kind::tuple) stmt.expr->kind = Expr::Kind::concat;  // each is printed
    return stmt;
  }
  for (const char* other : {"include", "import", "from", "extends", "autoescape"})
    if (tag == other) bad(fmt::format("{{% {} %}} has no place in a chat template", tag));
  bad(fmt::format("there is no tag {{% {} %}}", tag));
}

Stmt Parser::parse_for() {
  Stmt stmt = begin(Stmt::Kind::loop);
  ++loops_;
  stmt.target = target(false);
  if (!skip_word("in")) unexpected("in");
  stmt.expr = tuple(false);
  if (skip_word("if")) stmt.test = expression();
  stmt.recursive = skip_word("recursive");
  const bool breaks = std::exchange(breaks_, true);
  stmt.body = body({"else", "endfor"});
  breaks_ = breaks;
  const bool other = at_word("else");
  ++at_;
  if (other) stmt.otherwise = body_to("endfor");
  --loops_;
  return stmt;
}

Stmt Parser::parse_if() {
  Stmt stmt = begin(Stmt::Kind::branch);
  while (true) {
    Stmt::Branch branch;
    branch.condition = tuple(false);
    branch.body = body({"elif", "else", "endif"});
    stmt.branches.push_back(std::move(branch));
    if (skip_word("elif")) continue;
    const bool other = at_word("else");
    ++at_;
    if (other) stmt.branches.push_back({nullptr, body_to("endif")});
    return stmt;
  }
}

Stmt Parser::parse_set() {
  Stmt stmt = begin(Stmt::Kind::set);
  stmt.target = target(true);
  if (skip_op("=")) {
    stmt.expr = tuple();
    return stmt;
  }
  stmt.kind = Stmt::Kind::set_block;
  while (at_op("|")) stmt.expr = filter(std::move(stmt.expr));
  stmt.body = body_to("endset");
  return stmt;
}

void Parser::signature(Stmt& stmt) {
  expect_op("(");
  while (!at_op(")")) {
    if (!stmt.parameters.empty()) expect_op(",");
    Stmt::Parameter parameter;
    parameter.name = expect_name();
    for (const Stmt::Parameter& other : stmt.parameters)
      if (other.name == parameter.name) bad(fmt::format("two parameters have the name {}", other.name));
    if (skip_op("="))
      parameter.value = expression();
    else if (!stmt.parameters.empty() && stmt.parameters.back().value)
      bad("a parameter without a default stands behind one that has one");
    stmt.parameters.push_back(std::move(parameter));
  }
  expect_op(")");
}

Stmt Parser::parse_macro() {
  Stmt stmt = begin(Stmt::Kind::macro);
  stmt.name = expect_name();
  signature(stmt);
  const int64_t varargs = varargs_, kwargs = kwargs_, callers = callers_;
  stmt.body = function_body("endmacro");
  stmt.takes_varargs = varargs_ > varargs;
  stmt.takes_kwargs = kwargs_ > kwargs;
  stmt.takes_caller = callers_ > callers;
  return stmt;
}

Stmt Parser::parse_call_block() {
  Stmt stmt = begin(Stmt::Kind::call_block);
  if (at_op("(")) signature(stmt);
  stmt.expr = expression();
  if (stmt.expr->kind != Expr::Kind::call) bad("{% call %} calls nothing");
  stmt.body = function_body("endcall");
  return stmt;
}

Stmt Parser::parse_filter_block() {
  Stmt stmt = begin(Stmt::Kind::filter_block);
  --at_;
  tokens_[at_] = {Kind::op, "|", stmt.line};  // `filter` itself stands where the first bar would
  while (at_op("|")) stmt.expr = filter(std::move(stmt.expr));
  stmt.body = body_to("endfilter");
  return stmt;
}

Stmt Parser::parse_with() {
  Stmt stmt = begin(Stmt::Kind::with);
  while (now().kind != Kind::tag_end) {
    if (!stmt.parameters.empty()) expect_op(",");
    Stmt::Parameter parameter;
    parameter.name = expect_name();
    expect_op("=");
    parameter.value = expression();
    stmt.parameters.push_back(std::move(parameter));
  }
  stmt.body = body_to("endwith");
  return stmt;
}

Stmt Parser::parse_named_block() {
  Stmt stmt = begin(Stmt::Kind::block);
  stmt.name = expect_name();
  skip_word("scoped");
  skip_word("required");
  stmt.body = body_to("endblock");
  skip_word(stmt.name);
  return stmt;
}

}  // namespace lowland::jinja
