#include "models/chat/jinja/interpreter.h"

#include <algorithm>

namespace lowland::jinja {
namespace {

// Sets a value for as long as it lives.
template <class T> class Within {
 public:
  Within(T& place, T value) : place_(place), before_(std::move(place)) { place_ = std::move(value); }
  ~Within() { place_ = std::move(before_); }
  Within(const Within&) = delete;
  Within& operator=(const Within&) = delete;

 private:
  T& place_;
  T before_;
};

}  // namespace

Scope::~Scope() = default;

const Value* Scope::find(const std::string& name) const {
  for (const Scope* s = this; s; s = s->parent.get())
    for (const auto& [key, value] : s->names)
      if (key == name) return &value;
  return nullptr;
}

void Scope::set(const std::string& name, Value value) {
  for (auto& [key, old] : names) {
    if (key != name) continue;
    old = std::move(value);
    return;
  }
  names.emplace_back(name, std::move(value));
}

// Macros and namespaces can refer to themselves.
Interpreter::~Interpreter() {
  for (const auto& space : namespaces_) {
    const auto names = std::move(space->names);
    space->names.clear();
  }
  for (const ScopePtr& scope : kept_) {
    const auto names = std::move(scope->names);
    scope->names.clear();
  }
}

std::shared_ptr<Namespace> Interpreter::make_namespace() {
  budget_.bytes(sizeof(Namespace) + 64);
  namespaces_.push_back(std::make_shared<Namespace>());
  return namespaces_.back();
}

void Interpreter::keep(const ScopePtr& scope) {
  if (kept_.empty() || kept_.back() != scope) kept_.push_back(scope);
}

Text Interpreter::run(const std::vector<Stmt>& program, std::vector<std::pair<std::string, Value>> variables) {
  Text out;
  scope_ = std::make_shared<Scope>();
  scope_->names = std::move(variables);
  out_ = &out;
  LL_CHECK(run_all(program) == Flow::on, "break or continue outside a loop");
  out_ = nullptr;
  return out;
}

Interpreter::Flow Interpreter::run_all(const std::vector<Stmt>& body) {
  const Budget::Level level(budget_);
  for (const Stmt& stmt : body) {
    const Flow flow = run_one(stmt);
    if (flow != Flow::on) return flow;
  }
  return Flow::on;
}

Interpreter::Flow Interpreter::run_one(const Stmt& stmt) {
  using Kind = Stmt::Kind;
  budget_.steps();
  line_ = stmt.line;
  switch (stmt.kind) {
    case Kind::data: print(stmt.value); break;
    case Kind::print: print(evaluate(*stmt.expr)); break;
    case Kind::branch: return run_branch(stmt);
    case Kind::loop: run_loop(stmt, evaluate(*stmt.expr), 0); break;
    case Kind::set: assign(*stmt.target, evaluate(*stmt.expr)); break;
    case Kind::set_block:
    case Kind::filter_block: {
      Value value(captured(stmt.body, inner()));
      if (stmt.expr) value = evaluate_filter(*stmt.expr, &value);
      if (stmt.target)
        assign(*stmt.target, value);
      else
        print(value);
      break;
    }
    case Kind::macro: run_macro(stmt); break;
    case Kind::call_block: run_call_block(stmt); break;
    case Kind::with: run_with(stmt); break;
    case Kind::generation: run_generation(stmt); break;
    case Kind::block: {
      const Within<ScopePtr> scope(scope_, inner());
      return run_all(stmt.body);
    }
    case Kind::stop: return Flow::stop;
    case Kind::next: return Flow::next;
  }
  return Flow::on;
}

Interpreter::Flow Interpreter::run_branch(const Stmt& stmt) {
  for (const Stmt::Branch& branch : stmt.branches)
    if (!branch.condition || truth(evaluate(*branch.condition))) return run_all(branch.body);
  return Flow::on;
}

void Interpreter::run_loop(const Stmt& stmt, const Value& over, int64_t depth) {
  const auto loop = std::make_shared<Loop>();
  loop->depth = depth;
  const ScopePtr outer = scope_;
  const Within<ScopePtr> restored(scope_, scope_);
  for (Value& item : iterate(over, budget_)) {
    if (stmt.test) {
      scope_ = std::make_shared<Scope>(outer);
      assign(*stmt.target, item);
      if (!truth(evaluate(*stmt.test))) continue;
    }
    loop->items.push_back(std::move(item));
  }
  if (stmt.recursive) {
    loop->recurse = [this, &stmt, outer, depth](Interpreter&, Arguments& arguments) {
      LL_CHECK(arguments.positional.size() == 1, "loop(...) takes one list");
      Text out;
      const Within<Text*> into(out_, &out);
      const Within<ScopePtr> scope(scope_, outer);
      run_loop(stmt, arguments.positional[0], depth + 1);
      return Value(std::move(out));
    };
  }
  scope_ = nullptr;
  for (const int64_t n = std::ssize(loop->items); loop->index < n; ++loop->index) {
    if (scope_.use_count() == 1)
      scope_->names.clear();  // nobody holds the last turn's
    else
      scope_ = std::make_shared<Scope>(outer);
    budget_.bytes(sizeof(Value));
    scope_->set("loop", Value(loop));
    assign(*stmt.target, loop->items[static_cast<size_t>(loop->index)]);
    if (run_all(stmt.body) == Flow::stop) break;
  }
  if (!loop->items.empty() || stmt.otherwise.empty()) return;
  scope_ = std::make_shared<Scope>(outer);
  run_all(stmt.otherwise);
}

void Interpreter::run_with(const Stmt& stmt) {
  const ScopePtr within = inner();
  for (const Stmt::Parameter& p : stmt.parameters) within->set(p.name, evaluate(*p.value));
  const Within<ScopePtr> scope(scope_, within);
  run_all(stmt.body);
}

Value Interpreter::make_macro(const Stmt& stmt, std::string name) {
  keep(scope_);
  budget_.bytes(sizeof(Callable) + 64);
  std::weak_ptr<Scope> scope = scope_;  // which this interpreter keeps
  return make_callable(name, [this, &stmt, scope, name](Interpreter&, Arguments& arguments) {
    return call_macro(stmt, name, scope.lock(), arguments);
  });
}

void Interpreter::run_macro(const Stmt& stmt) { scope_->set(stmt.name, make_macro(stmt, stmt.name)); }

Value Interpreter::call_macro(const Stmt& stmt, const std::string& name, const ScopePtr& outer, Arguments& arguments) {
  const Budget::Level level(budget_);
  const auto within = std::make_shared<Scope>(outer);
  const auto& parameters = stmt.parameters;
  std::vector<const Value*> given(parameters.size());
  std::vector<Value> more;
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    if (i < parameters.size())
      given[i] = &arguments.positional[i];
    else
      more.push_back(arguments.positional[i]);
  }
  std::vector<std::pair<Value, Value>> others;
  for (const auto& [key, value] : arguments.named) {
    const auto at =
        std::find_if(parameters.begin(), parameters.end(), [&key = key](const auto& p) { return p.name == key; });
    if (at == parameters.end()) {
      if (key == "caller" && stmt.takes_caller)
        within->set(key, value);
      else
        others.emplace_back(Value(key), value);
      continue;
    }
    const Value*& place = given[static_cast<size_t>(at - parameters.begin())];
    LL_CHECK(!place, "the macro {} is given {} twice", name, key);
    place = &value;
  }
  LL_CHECK(more.empty() || stmt.takes_varargs, "the macro {} takes {} arguments, and is given more", name,
           parameters.size());
  LL_CHECK(others.empty() || stmt.takes_kwargs, "the macro {} has no parameter {}", name,
           others[0].first.text()->bytes);
  if (stmt.takes_varargs) within->set("varargs", make_sequence(Sequence::Kind::tuple, std::move(more), budget_));
  if (stmt.takes_kwargs) within->set("kwargs", make_dict(std::move(others), budget_));
  const Within<ScopePtr> scope(scope_, within);
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto& p = parameters[i];
    within->set(p.name, given[i]  ? *given[i]
                        : p.value ? evaluate(*p.value)
                                  : Value::undefined(fmt::format("'{}' is undefined", p.name)));
  }
  Text out;
  const Within<Text*> into(out_, &out);
  LL_CHECK(run_all(stmt.body) == Flow::on, "break or continue outside a loop");
  return Value(std::move(out));
}

void Interpreter::run_call_block(const Stmt& stmt) {
  const Expr& call_expr = *stmt.expr;
  const Value function = evaluate(*call_expr.parts[0]);
  Arguments arguments = evaluate_arguments(call_expr.arguments);
  arguments.named.emplace_back("caller", make_macro(stmt, "caller"));
  print(call(function, arguments));
}

void Interpreter::run_generation(const Stmt& stmt) {
  Text text = captured(stmt.body, inner());
  text.spoken.clear();
  if (!text.bytes.empty()) text.spoken = {{0, text.bytes.size()}};
  print(Value(std::move(text)));
}

Text Interpreter::captured(const std::vector<Stmt>& body, ScopePtr within) {
  Text out;
  const Within<Text*> into(out_, &out);
  const Within<ScopePtr> scope(scope_, std::move(within));
  LL_CHECK(run_all(body) == Flow::on, "break or continue outside a loop");
  return out;
}

void Interpreter::print(const Value& value) {
  if (const Text* text = value.text()) {
    budget_.bytes(text->bytes.size());
    append(*out_, *text);
  } else {
    append(*out_, to_text(value, budget_));
  }
}

void Interpreter::assign(const Expr& target, const Value& value) {
  budget_.bytes(sizeof(Value));
  if (target.kind == Expr::Kind::name) return scope_->set(target.name, value);
  if (target.kind == Expr::Kind::attribute) {
    const Value* object = scope_->find(target.parts[0]->name);
    const auto* space = object ? object->get<std::shared_ptr<Namespace>>() : nullptr;
    LL_CHECK(space, "{} is no namespace: only a namespace's attributes can be set", target.parts[0]->name);
    LL_CHECK(!target.name.starts_with('_'), "{} cannot be set: its name begins with _", target.name);
    auto& names = (*space)->names;
    const auto at = std::find_if(names.begin(), names.end(), [&](const auto& n) { return n.first == target.name; });
    if (at == names.end())
      names.emplace_back(target.name, value);
    else
      at->second = value;
    return;
  }
  const std::vector<Value> items = iterate(value, budget_);
  LL_CHECK(items.size() == target.parts.size(), "{} values for {} names", items.size(), target.parts.size());
  for (size_t i = 0; i < items.size(); ++i) assign(*target.parts[i], items[i]);
}

}  // namespace lowland::jinja
