// What a method can be set to. The options of a method are declared in its row of the table (optim/methods.h), with
// default, bounds and help; values come in by name, and the method reads them by name and type.
#pragma once
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "optim/optimizer.h"

namespace lowland::optim {

using OptionValue = std::variant<double, std::string>;  // a number, or one of a few words
using OptionValues = std::map<std::string, OptionValue>;

struct MethodOption {
  std::string name;                     // as the flag without its dashes: pinv-rcond
  OptionValue initial;                  // its default
  std::string range = {};               // of a number, as it is written: "(0, 1]", "[0, inf)"
  std::vector<std::string> words = {};  // what a word may be
  std::string help;
  bool on_card = true;  // worth naming beside an adapter that was trained with it

  // Throws Error, beginning with the option's name or "unknown", unless it may have this value.
  void check(const OptionValue& value) const;
};

struct MethodOptions {
  OptionValues values = {};  // of the method's own options; those left out have their defaults
  OptimizerOptions optimizer = {};
  double max_grad_norm = 1.0;  // over everything trained; 0: no clipping
  uint64_t seed = 0;           // of what a method draws

  // REQUIRES the value is there, as it is for every option of a method that make_method made.
  double number(const std::string& name) const { return std::get<double>(values.at(name)); }
  const std::string& word(const std::string& name) const { return std::get<std::string>(values.at(name)); }
};

}  // namespace lowland::optim
