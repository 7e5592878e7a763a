// The table of methods: all about a method but its computation. Programs take from it their flags, help, defaults and
// errors, and docs/methods.md its tables. To add a method: a header with its class, a row in methods.cpp, a paragraph
// in docs/methods.md.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "optim/method_options.h"
#include "optim/schedule.h"

namespace lowland::optim {

class Method;
struct MethodRow;

enum class Trains : uint8_t { adapters, all_weights };                   // adapters: and the task head beside them
enum class Perturbs : uint8_t { nothing, b, a_and_b, beside, weights };  // beside: by pairs beside the adapters

using MethodFactory =
    std::function<std::unique_ptr<Method>(const MethodRow& row, nn::Arena& arena, const MethodOptions& options)>;

struct MethodRow {
  std::string name;
  std::string summary;  // one sentence
  int passes = 1;       // forward and backward over the rows of a step
  Trains trains = Trains::adapters;
  Perturbs perturbs = Perturbs::nothing;
  std::string gradient_at;            // where the optimizer's gradient is taken
  std::string extra_memory = "none";  // beside values, gradients and the optimizer's state of what plain LoRA trains
  std::string loss_name = "loss";     // what a log calls the loss of the first pass: loss_perturbed off the centre
  bool moving_average = false;        // carries a moving average e of E_B: measure_ema_gap is about it
  double learning_rate = 2e-4;        // the peak where none is given
  bool keeps_loss_gradients = false;  // between its passes: these cannot be captured and replayed
  bool reads_momentum = false;        // perturbs along the optimizer's momentum, which must be there
  std::vector<MethodOption> options = {};
  std::string strength = {};                // where there is no rho: the option that moves from step to step instead
  RhoKind strength_kind = RhoKind::cosine;  // and how
  MethodFactory make = nullptr;

  const MethodOption* option(const std::string& name) const;  // null if the method has no such option
};

// In the order of docs and help; the first is what programs take unless told otherwise.
const std::vector<MethodRow>& methods();
std::vector<std::string> method_names();
const MethodRow* find_method(const std::string& name);  // null if there is none
const MethodRow& method_row(const std::string& name);   // Error that lists the known names

// The options of all methods as flags, each once, with the methods that have it.
struct MethodFlag {
  std::string name;
  std::string help;     // one line: whose it is, what it may be where it is a word
  OptionValue initial;  // the first method's default; the type is that of all
  std::vector<std::string> methods;
};
std::vector<MethodFlag> method_flags();

// The tables of docs/methods.md, in Markdown: methods; options.
std::string methods_table();
std::string method_options_table();

}  // namespace lowland::optim
