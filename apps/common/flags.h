// The command line of every app: verbs and flags by CLI11, in both spellings (--batch-size, --batch_size), with the
// nearest flag suggested for an unknown one. Errors go to stderr, begin with "error:" and end the program with 1.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "apps/common/settings.h"

namespace lowland::apps {

inline constexpr const char* kVersion = LOWLAND_VERSION;

// Adds an option per field that `visit` names, with the field's value as the default shown by --help.
struct OptionBinder {
  CLI::App& app;
  template <class Field> void operator()(const char* names, Field& field, const char* help) const {
    CLI::Option* option = nullptr;
    if constexpr (std::is_same_v<Field, bool>) {
      option = app.add_flag(dashed(names), field, help);
    } else if constexpr (std::is_same_v<Field, std::vector<std::string>>) {
      option = app.add_option(dashed(names), field, help)->expected(1, -1);
    } else {
      option = app.add_option(dashed(names), field, help)->capture_default_str();
    }
    option->multi_option_policy(std::is_same_v<Field, std::vector<std::string>> ? CLI::MultiOptionPolicy::TakeAll
                                                                                : CLI::MultiOptionPolicy::TakeLast);
  }
  static std::string dashed(const std::string& names);  // "lr,learning-rate" -> "--lr,--learning-rate"
};

// --config FILE: its lines count as flags given right after the verb. run_program reads it; this makes --help show it.
void add_config_option(CLI::App& verb);

// Was the flag given on the command line or in --config?
bool given(const CLI::App& app, const std::string& name);
bool has_flag(const CLI::App& app, const std::string& name);

// Parses and runs the verb; the exit code of main. `add_verbs` adds subcommands whose callbacks do the work.
int run_program(int argc, const char* const* argv, const std::string& description,
                const std::function<void(CLI::App&)>& add_verbs);

}  // namespace lowland::apps
