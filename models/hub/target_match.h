// Which modules of a model an adapter changes: the rules of peft for `target_modules` and its relatives.
#pragma once
#include <memory>
#include <string>
#include <vector>

namespace lowland {

// A regular expression that must match a whole module path (Python's re.fullmatch; PCRE2 syntax, which agrees
// with Python's on everything module paths need). Error that shows the place if it cannot be compiled.
class ModulePattern {
 public:
  explicit ModulePattern(const std::string& expression);
  bool matches(const std::string& path) const;
  // The text of the named group after a match, empty without one.
  std::string group(const std::string& path, const char* name) const;

 private:
  std::string expression_;
  std::shared_ptr<void> code_;
};

// `query,value` (suffixes), a regular expression, or all-linear.
struct ModuleTargets {
  std::vector<std::string> names;
  std::string expression;
  bool all_linear = false;

  // A regular expression if it holds any of *+?()[]|\^$, else a comma list. Error if empty.
  static ModuleTargets from_flag(const std::string& text);
  // all-linear as peft takes it, in any case.
  static bool is_all_linear(std::string text);
  bool empty() const { return names.empty() && expression.empty() && !all_linear; }
};

// The names of a comma list; spaces do not count.
std::vector<std::string> split_names(const std::string& list);

// True if the path is the name or ends in "." + the name.
bool matches_name(const std::string& path, const std::string& name);

// True if the path is one of the names, ends in "." + one of them, or matches the expression as a whole.
// all-linear matches everything: what is linear is for the caller to know.
bool matches_target(const std::string& path, const ModuleTargets& targets);

// True where the targets that match this output layer or embedding do not mean it: all-linear, and an expression for
// whatever lies below the module above it (`.*`, which peft itself would refuse).
bool means_linear_only(const std::string& path, const ModuleTargets& targets);

// True for a path that is or lies below a module whose name or end after a dot is one of the names.
bool is_within(const std::string& path, const std::vector<std::string>& names);

// Those of `names` that `name` may be misspelt for, the nearest first, or that hold it; at most three, each once.
std::vector<std::string> near_names(const std::string& name, const std::vector<std::string>& names);

// rank_pattern and alpha_pattern: the first key that, as an expression, matches the path or its end after a
// dot. -1 if none does.
int find_pattern(const std::string& path, const std::vector<std::string>& keys);

}  // namespace lowland
