// Tokens to a tree, with Jinja's grammar. Statements are in parser.cpp, expressions in parse_expression.cpp.
#pragma once
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "models/chat/jinja/ast.h"
#include "models/chat/jinja/lexer.h"

namespace lowland::jinja {

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  // The whole template. Error, "line 3: ...".
  std::vector<Stmt> parse() { return statements({}); }
  // All names, attributes and texts in quotes.
  std::set<std::string> words() && { return std::move(words_); }

 private:
  using Kind = Token::Kind;
  using Ends = std::initializer_list<std::string_view>;

  // --- tokens
  const Token& now() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  Token take() { return now().kind == Kind::end ? now() : std::move(tokens_[at_++]); }
  bool at_op(std::string_view op) const { return now().is(Kind::op, op); }
  bool at_word(std::string_view word) const { return now().is(Kind::name, word); }
  bool skip_op(std::string_view op);
  bool skip_word(std::string_view word);
  void expect_op(std::string_view op);
  void expect(Kind kind, const char* what);
  std::string expect_name();
  [[noreturn]] void bad(const std::string& what) const;
  [[noreturn]] void unexpected(const char* wanted) const;
  struct Level;

  // --- statements: up to a tag that begins with one of `ends`, which stays; all where there are none
  std::vector<Stmt> statements(Ends ends);
  // The body behind a tag's head, and its end tag's first word taken.
  std::vector<Stmt> body(Ends ends);
  std::vector<Stmt> body_to(std::string_view end);
  std::vector<Stmt> function_body(std::string_view end);  // which no break leaves
  Stmt statement();
  Stmt parse_for();
  Stmt parse_if();
  Stmt parse_set();
  Stmt parse_macro();
  Stmt parse_call_block();
  Stmt parse_filter_block();
  Stmt parse_with();
  Stmt parse_named_block();
  void signature(Stmt& stmt);
  Stmt begin(Stmt::Kind kind);  // takes the tag's name

  // --- expressions
  ExprPtr target(bool with_namespace);
  ExprPtr tuple(bool with_choice = true, bool in_brackets = false);
  ExprPtr expression() { return choice(); }
  ExprPtr choice();
  ExprPtr either();
  ExprPtr both();
  ExprPtr negation();
  ExprPtr comparison();
  ExprPtr sum();
  ExprPtr concat();
  ExprPtr product();
  ExprPtr power();
  ExprPtr unary(bool with_filters = true);
  ExprPtr primary();
  ExprPtr list();
  ExprPtr dict();
  ExprPtr postfix(ExprPtr node);
  ExprPtr filters_and_tests(ExprPtr node);
  ExprPtr subscript(ExprPtr node);
  ExprPtr filter(ExprPtr node);
  ExprPtr test(ExprPtr node);
  CallArguments arguments();
  ExprPtr make(Expr::Kind kind, int line, std::vector<ExprPtr> parts = {});
  template <class... Parts> ExprPtr node(Expr::Kind kind, int line, Parts... parts) {
    std::vector<ExprPtr> list;
    (list.push_back(std::move(parts)), ...);
    return make(kind, line, std::move(list));
  }
  void settle(Expr& expr);  // its depth

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int loops_ = 0;        // that the parser is in
  bool breaks_ = false;  // in the body of a loop, and of no macro in it
  std::set<std::string> words_;
  int64_t varargs_ = 0, kwargs_ = 0, callers_ = 0;  // how often these names have come
};

// A level of brackets, blocks or operators within one another, for as long as it lives.
struct Parser::Level {
  explicit Level(Parser& parser);
  ~Level() { --parser_.depth_; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  Parser& parser_;
};

}  // namespace lowland::jinja
