// Expressions.
#include <algorithm>

#include "models/chat/jinja/functions.h"
#include "models/chat/jinja/interpreter.h"
#include "models/chat/jinja/operators.h"

namespace lowland::jinja {
namespace {

[[noreturn]] void fail_undefined(const Value& v) {
  const auto* u = v.get<Undefined>();
  fail("{}", u && u->why ? *u->why : "a value is undefined");
}

// Methods of Python that the sandbox keeps from templates.
bool would_change(const Value& object, std::string_view name) {
  static constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  static constexpr std::string_view kList[] = {"append", "clear", "pop",    "reverse",
                                               "insert", "sort",  "extend", "remove"};
  const Sequence* s = object.sequence();
  if (object.dict()) return std::find(std::begin(kDict), std::end(kDict), name) != std::end(kDict);
  return s && s->kind == Sequence::Kind::list && std::find(std::begin(kList), std::end(kList), name) != std::end(kList);
}

}  // namespace

Value Interpreter::evaluate(const Expr& expr) {
  using Kind = Expr::Kind;
  const Budget::Level level(budget_);
  line_ = expr.line;
  switch (expr.kind) {
    case Kind::constant: return expr.value;
    case Kind::name: return evaluate_name(expr);
    case Kind::list:
    case Kind::tuple:
    case Kind::dict: return evaluate_list(expr);
    case Kind::attribute: return attribute(evaluate(*expr.parts[0]), expr.name);
    case Kind::item: {
      const Value object = evaluate(*expr.parts[0]);
      return item(object, evaluate(*expr.parts[1]));
    }
    case Kind::slice: return evaluate_slice(expr);
    case Kind::call: return evaluate_call(expr);
    case Kind::filter: return evaluate_filter(expr, nullptr);
    case Kind::test: return Value(evaluate_test(expr));
    case Kind::unary: return evaluate_unary(expr);
    case Kind::binary: {
      const Value left = evaluate(*expr.parts[0]), right = evaluate(*expr.parts[1]);
      line_ = expr.line;
      return arithmetic(expr.op, left, right, budget_);
    }
    case Kind::both:
    case Kind::either: {
      Value left = evaluate(*expr.parts[0]);
      return truth(left) == (expr.kind == Kind::either) ? left : evaluate(*expr.parts[1]);
    }
    case Kind::concat: return evaluate_concat(expr);
    case Kind::compare: return Value(evaluate_compare(expr));
    case Kind::choice:
      if (truth(evaluate(*expr.parts[1]))) return evaluate(*expr.parts[0]);
      return expr.parts[2] ? evaluate(*expr.parts[2])
                           : Value::undefined("an if within an expression has no else, and its condition is false");
  }
  return {};
}

Value Interpreter::evaluate_name(const Expr& expr) {
  if (const Value* value = scope_->find(expr.name)) return *value;
  Value function = find_function(expr.name);
  return function.is_undefined() ? Value::undefined(fmt::format("'{}' is undefined", expr.name)) : function;
}

Value Interpreter::evaluate_list(const Expr& expr) {
  if (expr.kind == Expr::Kind::dict) {
    std::vector<std::pair<Value, Value>> items;
    for (size_t i = 0; i + 1 < expr.parts.size(); i += 2) {
      Value key = evaluate(*expr.parts[i]);
      items.emplace_back(std::move(key), evaluate(*expr.parts[i + 1]));
    }
    return make_dict(std::move(items), budget_);
  }
  std::vector<Value> items;
  for (const ExprPtr& part : expr.parts) items.push_back(evaluate(*part));
  const bool tuple = expr.kind == Expr::Kind::tuple;
  return make_sequence(tuple ? Sequence::Kind::tuple : Sequence::Kind::list, std::move(items), budget_);
}

Value Interpreter::evaluate_slice(const Expr& expr) {
  const Value object = evaluate(*expr.parts[0]);
  Value ends[3] = {Value(None{}), Value(None{}), Value(None{})};
  for (size_t i = 0; i < 3; ++i)
    if (expr.parts[i + 1]) ends[i] = evaluate(*expr.parts[i + 1]);
  line_ = expr.line;
  return slice(object, ends[0], ends[1], ends[2], budget_);
}

Arguments Interpreter::evaluate_arguments(const CallArguments& from) {
  Arguments out;
  for (const ExprPtr& e : from.positional) out.positional.push_back(evaluate(*e));
  for (const auto& [name, e] : from.named) {
    const auto same = [&name = name](const auto& other) { return other.first == name; };
    LL_CHECK(std::none_of(out.named.begin(), out.named.end(), same), "the argument {} is given twice", name);
    out.named.emplace_back(name, evaluate(*e));
  }
  if (from.star) {
    for (Value& v : iterate(evaluate(*from.star), budget_)) out.positional.push_back(std::move(v));
  }
  if (from.stars) {
    const Value more = evaluate(*from.stars);
    LL_CHECK(more.dict(), "** wants a dict, and is given a {}", type_name(more));
    for (const auto& [key, value] : more.dict()->items) {
      LL_CHECK(key.text(), "** wants names, and is given a {}", type_name(key));
      out.named.emplace_back(key.text()->bytes, value);
    }
  }
  return out;
}

// A method is called without making a value of it.
Value Interpreter::evaluate_call(const Expr& expr) {
  const Expr& callee = *expr.parts[0];
  if (callee.kind == Expr::Kind::attribute) {
    const Value self = evaluate(*callee.parts[0]);
    if (has_method(self, callee.name)) {
      Arguments arguments = evaluate_arguments(expr.arguments);
      line_ = expr.line;
      return call_method(*this, self, callee.name, arguments);
    }
    const Value function = attribute(self, callee.name);
    if (function.is_undefined()) fail_undefined(function);
    Arguments arguments = evaluate_arguments(expr.arguments);
    line_ = expr.line;
    return call(function, arguments);
  }
  const Value function = evaluate(callee);
  if (function.is_undefined()) fail_undefined(function);
  Arguments arguments = evaluate_arguments(expr.arguments);
  line_ = expr.line;
  return call(function, arguments);
}

Value Interpreter::call(const Value& function, Arguments& arguments) {
  if (const auto* f = function.get<std::shared_ptr<const Callable>>()) {
    const std::shared_ptr<const Callable> held = *f;
    return held->call(*this, arguments);
  }
  if (const auto* loop = function.get<std::shared_ptr<Loop>>()) {
    LL_CHECK((*loop)->recurse, "loop(...) is called in a loop that is not recursive");
    const std::shared_ptr<Loop> held = *loop;
    return held->recurse(*this, arguments);
  }
  if (function.is_undefined()) fail_undefined(function);
  fail("a {} is called, which is no function", type_name(function));
}

Value Interpreter::evaluate_filter(const Expr& expr, const Value* input) {
  const Value value = expr.parts[0] ? expr.parts[0]->kind == Expr::Kind::filter ? evaluate_filter(*expr.parts[0], input)
                                                                                : evaluate(*expr.parts[0])
                                    : *input;
  Arguments arguments = evaluate_arguments(expr.arguments);
  line_ = expr.line;
  LL_CHECK(expr.filter, "there is no filter '{}'", expr.name);
  const Budget::Level level(budget_);
  return expr.filter(*this, value, arguments);
}

bool Interpreter::evaluate_test(const Expr& expr) {
  const Value value = evaluate(*expr.parts[0]);
  Arguments arguments = evaluate_arguments(expr.arguments);
  line_ = expr.line;
  LL_CHECK(expr.test, "there is no test '{}'", expr.name);
  return expr.test(*this, value, arguments);
}

Value Interpreter::filter(const std::string& name, const Value& input, Arguments& arguments) {
  const Filter function = find_filter(name);
  LL_CHECK(function, "there is no filter '{}'", name);
  const Budget::Level level(budget_);
  return function(*this, input, arguments);
}

bool Interpreter::test(const std::string& name, const Value& input, Arguments& arguments) {
  const Test function = find_test(name);
  LL_CHECK(function, "there is no test '{}'", name);
  return function(*this, input, arguments);
}

Value Interpreter::evaluate_unary(const Expr& expr) {
  const Value value = evaluate(*expr.parts[0]);
  if (expr.op == 'n') return Value(!truth(value));
  line_ = expr.line;
  const Value minus = negative(value);
  return expr.op == '-' ? minus : negative(minus);
}

Value Interpreter::evaluate_concat(const Expr& expr) {
  Text out;
  for (const ExprPtr& part : expr.parts) append(out, to_text(evaluate(*part), budget_));
  budget_.bytes(out.bytes.size() + sizeof(Text));
  return Value(std::move(out));
}

bool Interpreter::evaluate_compare(const Expr& expr) {
  Value left = evaluate(*expr.parts[0]);
  for (size_t i = 0; i < expr.ops.size(); ++i) {
    Value right = evaluate(*expr.parts[i + 1]);
    line_ = expr.line;
    if (!compare(expr.ops[i], left, right)) return false;
    left = std::move(right);
  }
  return true;
}

bool Interpreter::compare(char op, const Value& a, const Value& b) {
  switch (op) {
    case '=': return equal(a, b, budget_);
    case '!': return !equal(a, b, budget_);
    case 'i': return contains(b, a, budget_);
    case 'n': return !contains(b, a, budget_);
    default: break;
  }
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined()) fail_undefined(b);
  const double *x = a.get<double>(), *y = b.get<double>();
  if ((x && *x != *x) || (y && *y != *y)) return false;
  const int c = order(a, b, budget_);
  return op == '<' ? c < 0 : op == '>' ? c > 0 : op == 'l' ? c <= 0 : c >= 0;
}

Value Interpreter::loop_attribute(const std::shared_ptr<Loop>& loop, const std::string& name) {
  const int64_t i = loop->index, n = std::ssize(loop->items);
  if (name == "index") return Value(i + 1);
  if (name == "index0") return Value(i);
  if (name == "first") return Value(i == 0);
  if (name == "last") return Value(i + 1 == n);
  if (name == "length") return Value(n);
  if (name == "revindex") return Value(n - i);
  if (name == "revindex0") return Value(n - i - 1);
  if (name == "depth") return Value(loop->depth + 1);
  if (name == "depth0") return Value(loop->depth);
  if (name == "previtem")
    return i > 0 ? loop->items[static_cast<size_t>(i - 1)] : Value::undefined("there is no previous item");
  if (name == "nextitem")
    return i + 1 < n ? loop->items[static_cast<size_t>(i + 1)] : Value::undefined("there is no next item");
  if (name == "cycle" || name == "changed") {
    const bool cycle = name == "cycle";
    return make_callable(name, [loop, cycle](Interpreter& run, Arguments& arguments) {
      std::vector<Value>& given = arguments.positional;
      if (cycle) {
        LL_CHECK(!given.empty(), "loop.cycle has nothing to go through");
        return given[static_cast<size_t>(loop->index) % given.size()];
      }
      bool same = loop->asked && given.size() == loop->changed.size();
      for (size_t k = 0; same && k < given.size(); ++k) same = equal(given[k], loop->changed[k], run.budget());
      loop->asked = true;
      loop->changed = given;
      return Value(!same);
    });
  }
  return Value::undefined(fmt::format("loop has no attribute '{}'", name));
}

Value Interpreter::attribute(const Value& object, const std::string& name) {
  if (object.is_undefined()) fail_undefined(object);
  if (has_method(object, name)) {
    return make_callable(name, [object, name](Interpreter& run, Arguments& arguments) {
      return call_method(run, object, name, arguments);
    });
  }
  if (would_change(object, name))
    return Value::undefined(fmt::format("a template may not change a {} by .{}", type_name(object), name));
  if (const Dict* dict = object.dict()) {
    budget_.steps(1 + std::ssize(dict->items) / 8);
    if (const Value* value = dict->find(name)) return *value;
  } else if (const auto* space = object.get<std::shared_ptr<Namespace>>()) {
    for (const auto& [key, value] : (*space)->names)
      if (key == name) return value;
  } else if (const auto* loop = object.get<std::shared_ptr<Loop>>()) {
    return loop_attribute(*loop, name);
  } else if (const auto* f = object.get<std::shared_ptr<const Callable>>(); f && name == "name") {
    return Value((*f)->name);
  } else if (const Sequence* s = object.sequence(); s && s->kind == Sequence::Kind::tuple && s->items.size() == 2) {
    if (name == "grouper") return s->items[0];  // of groupby
    if (name == "list") return s->items[1];
  }
  return Value::undefined(fmt::format("a {} has no attribute '{}'", type_name(object), name));
}

Value Interpreter::item(const Value& object, const Value& key) {
  if (object.is_undefined()) fail_undefined(object);
  if (const Dict* dict = object.dict()) {
    budget_.steps(1 + std::ssize(dict->items) / 8);
    if (const Text* text = key.text()) {
      if (const Value* value = dict->find(text->bytes)) return *value;
    } else {
      for (const auto& [k, value] : dict->items)
        if (equal(k, key, budget_)) return value;
    }
  }
  int64_t place = 0;
  const Sequence* s = object.sequence();
  if ((object.text() || (s && s->kind <= Sequence::Kind::range)) && key.to_integer(place))
    return at_place(object, place, budget_);
  if (key.text() && !object.dict()) return attribute(object, key.text()->bytes);
  if (key.text() && has_method(object, key.text()->bytes)) return attribute(object, key.text()->bytes);
  if (key.text()) return Value::undefined(fmt::format("a dict has no key '{}'", key.text()->bytes));
  return Value::undefined(fmt::format("a {} has no item of that key", type_name(object)));
}

}  // namespace lowland::jinja
