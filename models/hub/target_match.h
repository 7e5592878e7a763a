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
  bool empty() const { return names.empty() && expression.empty() && !all_linear; }
};

// The names of a comma list; spaces do not count.
std::vector<std::string> split_names(const std::string& list);

// True if the path is one of the names, ends in "." + one of them, or matches the expression as a whole.
// all-linear matches everything: what is linear is for the caller to know.
bool matches_target(const std::string& path, const ModuleTargets& targets);

// The same, for a module path that is or lies below one of the names (modules_to_save).
bool is_within(const std::string& path, const std::vector<std::string>& names);

// rank_pattern and alpha_pattern: the first key that, as an expression, matches the path or its end after a
// dot. -1 if none does.
int find_pattern(const std::string& path, const std::vector<std::string>& keys);

}  // namespace lowland
