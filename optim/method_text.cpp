// The table of methods as words: help of flags, and the tables of docs/methods.md.
#include <algorithm>

#include "engine/error.h"
#include "optim/methods.h"

namespace lowland::optim {
namespace {

// Methods that have an option with the same default and the same words.
struct Use {
  const MethodOption* option;
  std::vector<std::string> methods;
};

bool alike(const MethodOption& x, const MethodOption& y) {
  return x.initial == y.initial && x.words == y.words && x.help == y.help;
}

// Of the option `name`, in the order of the table.
std::vector<Use> uses_of(const std::string& name) {
  std::vector<Use> uses;
  for (const MethodRow& row : methods()) {
    const MethodOption* const option = row.option(name);
    if (option == nullptr) continue;
    auto use = std::find_if(uses.begin(), uses.end(), [&](const Use& u) { return alike(*u.option, *option); });
    if (use == uses.end()) use = uses.insert(use, {option, {}});
    use->methods.push_back(row.name);
  }
  return uses;
}

std::vector<std::string> option_names() {
  std::vector<std::string> names;
  for (const MethodRow& row : methods())
    for (const MethodOption& option : row.options)
      if (std::find(names.begin(), names.end(), option.name) == names.end()) names.push_back(option.name);
  return names;
}

std::string text_of(const OptionValue& value) {
  if (const double* const number = std::get_if<double>(&value)) return fmt::format("{:g}", *number);
  return std::get<std::string>(value);
}

// "layer (default) or global"
std::string words_of(const MethodOption& option) {
  std::string text;
  for (size_t i = 0; i < option.words.size(); ++i) {
    if (i > 0) text += i + 1 == option.words.size() ? " or " : ", ";
    text += option.words[i];
    if (option.words[i] == text_of(option.initial)) text += " (default)";
  }
  return text;
}

}  // namespace

std::vector<MethodFlag> method_flags() {
  std::vector<MethodFlag> flags;
  for (const std::string& name : option_names()) {
    MethodFlag flag{name, "", {}, {}};
    for (const Use& use : uses_of(name)) {
      const bool first = flag.methods.empty();
      if (first) flag.initial = use.option->initial;
      flag.help += fmt::format("{}{}:", first ? "" : "; ", fmt::join(use.methods, ", "));
      if (first || use.option->words.empty()) flag.help += " " + use.option->help;
      if (!use.option->words.empty()) flag.help += (first ? ", " : " ") + words_of(*use.option);
      flag.methods.insert(flag.methods.end(), use.methods.begin(), use.methods.end());
    }
    flags.push_back(std::move(flag));
  }
  return flags;
}

std::string methods_table() {
  std::string text =
      "| method | passes a step | gradient taken at | extra memory | what it trains |\n"
      "|---|---|---|---|---|\n";
  for (const MethodRow& row : methods())
    text += fmt::format("| `{}`{} | {} | {} | {} | {} |\n", row.name, &row == &methods().front() ? " (default)" : "",
                        row.passes, row.gradient_at, row.extra_memory,
                        row.trains == Trains::adapters ? "A, B, the task head" : "all weights");
  return text;
}

std::string method_options_table() {
  std::string text = "| flag | default | of | meaning |\n|---|---|---|---|\n";
  for (const std::string& name : option_names())
    for (const Use& use : uses_of(name)) {
      const MethodOption& o = *use.option;
      text += fmt::format("| `--{}` | {} | {} | {}{} |\n", name, text_of(o.initial), fmt::join(use.methods, ", "),
                          o.help, o.words.empty() ? ", in " + o.range : ": " + words_of(o));
    }
  return text;
}

}  // namespace lowland::optim
