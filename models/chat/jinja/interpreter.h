// Runs a template's tree. Statements are in interpreter.cpp, expressions in evaluate.cpp.
#pragma once
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "models/chat/jinja/ast.h"

namespace lowland::jinja {

// Names of a template, of a loop's turn, of a macro's call; what it lacks is looked for in its parent.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<std::string, Value>> names;
  explicit Scope(std::shared_ptr<Scope> outer = nullptr) : parent(std::move(outer)) {}
  ~Scope();
  const Value* find(const std::string& name) const;
  void set(const std::string& name, Value value);
};
using ScopePtr = std::shared_ptr<Scope>;

class Interpreter {
 public:
  // now: what strftime_now tells.
  Interpreter(const Limits& limits, const std::tm& now) : budget_(limits), now_(now) {}
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  Text run(const std::vector<Stmt>& program, std::vector<std::pair<std::string, Value>> variables);
  int line() const { return line_; }  // where it is, or was when it failed

  // --- what functions use
  Budget& budget() { return budget_; }
  const std::tm& now() const { return now_; }
  Value call(const Value& function, Arguments& arguments);
  Value filter(const std::string& name, const Value& input, Arguments& arguments);
  bool test(const std::string& name, const Value& input, Arguments& arguments);
  Value attribute(const Value& object, const std::string& name);  // object.name
  Value item(const Value& object, const Value& key);              // object[key]
  std::shared_ptr<Namespace> make_namespace();                    // emptied at the end, whoever refers to it

 private:
  enum class Flow : uint8_t { on, stop, next };

  // --- statements
  Flow run_all(const std::vector<Stmt>& body);
  Flow run_one(const Stmt& stmt);
  Flow run_branch(const Stmt& stmt);
  void run_loop(const Stmt& stmt, const Value& over, int64_t depth);
  void run_with(const Stmt& stmt);
  void run_macro(const Stmt& stmt);
  void run_call_block(const Stmt& stmt);
  void run_generation(const Stmt& stmt);
  void print(const Value& value);
  void assign(const Expr& target, const Value& value);
  // What the body puts out, in a scope of its own.
  Text captured(const std::vector<Stmt>& body, ScopePtr scope);
  ScopePtr inner() { return std::make_shared<Scope>(scope_); }
  Value make_macro(const Stmt& stmt, std::string name);
  Value call_macro(const Stmt& stmt, const std::string& name, const ScopePtr& scope, Arguments& arguments);
  void keep(const ScopePtr& scope);  // a macro refers to it: emptied at the end

  // --- expressions
  Value evaluate(const Expr& expr);
  Value evaluate_name(const Expr& expr);
  Value evaluate_call(const Expr& expr);
  Value evaluate_filter(const Expr& expr, const Value* input);
  Value evaluate_unary(const Expr& expr);
  Value evaluate_concat(const Expr& expr);
  Value evaluate_list(const Expr& expr);
  Value evaluate_slice(const Expr& expr);
  bool evaluate_test(const Expr& expr);
  bool evaluate_compare(const Expr& expr);
  bool compare(char op, const Value& a, const Value& b);
  Arguments evaluate_arguments(const CallArguments& arguments);
  Value loop_attribute(const std::shared_ptr<Loop>& loop, const std::string& name);

  Budget budget_;
  std::tm now_;
  ScopePtr scope_;
  Text* out_ = nullptr;
  int line_ = 1;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
  std::vector<ScopePtr> kept_;
};

}  // namespace lowland::jinja
