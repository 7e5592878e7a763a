// A template as a tree.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "models/chat/jinja/value.h"

namespace lowland::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

using Filter = Value (*)(Interpreter&, const Value& input, Arguments&);
using Test = bool (*)(Interpreter&, const Value& input, Arguments&);

struct CallArguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star, stars;  // *a, **b
};

struct Expr {
  enum class Kind : uint8_t {
    constant,  // value
    name,      // name
    list,
    tuple,      // parts
    dict,       // parts: key, value, key, value ...
    attribute,  // parts[0].name
    item,       // parts[0][parts[1]]
    slice,      // parts[0][parts[1]:parts[2]:parts[3]], any of the three may be missing
    call,       // parts[0](arguments)
    filter,     // parts[0]|name(arguments)
    test,       // parts[0] is name(arguments)
    unary,      // op: - + n(ot)
    binary,     // op: + - * / | (//) % ^ (**), of two parts
    both,
    either,   // and, or
    concat,   // parts[0] ~ parts[1] ~ ...
    compare,  // parts[0] ops[0] parts[1] ops[1] ...: = ! < > l(<=) g(>=) i(n) n(ot in)
    choice    // parts[0] if parts[1] else parts[2], which may be missing
  };
  Kind kind = Kind::constant;
  char op = 0;
  int line = 1;
  int depth = 1;  // of the tree
  std::string name, ops;
  Value value;
  std::vector<ExprPtr> parts;
  CallArguments arguments;
  Filter filter = nullptr;
  Test test = nullptr;
};

struct Stmt {
  enum class Kind : uint8_t {
    data,          // value
    print,         // expr
    branch,        // if: branches, the last without a condition is else
    loop,          // for target in expr if test: body, otherwise; recursive
    set,           // target = expr
    set_block,     // target: body, filters (expr, its innermost input missing)
    macro,         // name, parameters: body
    call_block,    // expr is the call; parameters: body
    filter_block,  // expr, body
    with,          // parameters: body
    generation,    // body
    block,         // body, where it stands
    stop,
    next  // break, continue
  };
  struct Branch {
    ExprPtr condition;
    std::vector<Stmt> body;
  };
  struct Parameter {
    std::string name;
    ExprPtr value;  // the default; of with: the value
  };
  Kind kind = Kind::data;
  int line = 1;
  bool recursive = false;
  bool takes_varargs = false, takes_kwargs = false, takes_caller = false;  // the body of a macro speaks of them
  std::string name;
  Value value;
  ExprPtr target, expr, test;
  std::vector<Branch> branches;
  std::vector<Parameter> parameters;
  std::vector<Stmt> body, otherwise;
};

}  // namespace lowland::jinja
