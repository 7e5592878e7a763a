#include "apps/verbs/program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <numeric>
#include <optional>

#include "apps/common/process.h"
#include "apps/common/progress.h"
#include "apps/settings/habits.h"
#include "apps/settings/toml_file.h"
#include "apps/train/interrupt.h"
#include "engine/error.h"
#include "models/tokenizers/printable.h"
#include "models/tokenizers/utf8.h"

namespace lowland::apps {

namespace {

// --batch_size=8 -> --batch-size=8; values are left alone.
std::vector<std::string> normalised(int argc, const char* const* argv) {
  std::vector<std::string> args;
  for (int i = 1; i < argc; ++i) {
    std::string arg = argv[i];
    if (arg.starts_with("--")) {
      const auto end = arg.begin() + std::min(arg.find('='), arg.size());
      std::replace(arg.begin() + 2, end, '_', '-');
    }
    args.push_back(std::move(arg));
  }
  return args;
}

// Whether one of the option's names is among the arguments.
bool is_among(const CLI::Option* option, const std::vector<std::string>& args) {
  return std::any_of(args.begin(), args.end(), [&](const std::string& arg) {
    const std::string name = arg.substr(0, arg.find('='));
    return name.starts_with("--") && option->check_lname(name.substr(2));
  });
}

// The file after --config, taken out of the arguments. Of several the last.
std::optional<std::string> take_config(std::vector<std::string>& args) {
  std::optional<std::string> file;
  for (size_t i = 1; i < args.size();) {
    const bool joined = args[i].starts_with("--config=");
    if (!joined && (args[i] != "--config" || i + 1 == args.size())) {
      ++i;
      continue;
    }
    file = joined ? args[i].substr(9) : args[i + 1];
    args.erase(args.begin() + i, args.begin() + i + (joined ? 1 : 2));
  }
  return file;
}

// The verb of the arguments, or null.
const CLI::App* verb_of(const std::vector<std::string>& args, const CLI::App& app) {
  const auto verbs =
      app.get_subcommands([&](const CLI::App* verb) { return !args.empty() && verb->get_name() == args[0]; });
  return verbs.empty() ? nullptr : verbs.front();
}

// Puts what --config FILE holds right after the verb; a flag of the command line takes the place of the file's.
void expand_config(std::vector<std::string>& args, const CLI::App& app) {
  const CLI::App* verb = verb_of(args, app);
  if (verb == nullptr || verb->get_option_no_throw("--config") == nullptr) return;
  const std::optional<std::string> file = take_config(args);
  if (!file) return;
  std::vector<std::string> inserted;
  for (GivenFlag& flag : read_toml_flags(*file)) {
    std::replace(flag.name.begin(), flag.name.end(), '_', '-');
    const std::string name = "--" + flag.name;
    const CLI::Option* option = verb->get_option_no_throw(name);
    if (option != nullptr && is_among(option, args)) continue;
    for (const std::string& value : flag.values) {
      if (value.empty()) {  // CLI11 takes `--name=` for a flag without a value
        inserted.insert(inserted.end(), {name, value});
      } else {
        inserted.push_back(name + "=" + value);
      }
    }
  }
  args.insert(args.begin() + 1, inserted.begin(), inserted.end());
}

void check_texts(const std::vector<std::string>& args) {
  for (const std::string& arg : args)
    LL_CHECK(utf8_valid(arg), "`{}` is not UTF-8: files and texts are named in UTF-8", printable(arg));
}

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = corner + (a[i - 1] == b[j - 1] ? 0 : 1);
      corner = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  size_t distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& k : known) {
    const size_t d = edit_distance(word, k);
    if (d < distance) {
      distance = d;
      best = k;
    }
  }
  return best;
}

std::vector<std::string> verbs_of(const CLI::App& app) {
  std::vector<std::string> verbs;
  for (const CLI::App* verb : app.get_subcommands({})) verbs.push_back(verb->get_name());
  return verbs;
}

std::string unknown_argument(const std::string& argument, const CLI::App& app) {
  const CLI::App* verb = &app;
  if (!app.get_subcommands().empty()) verb = app.get_subcommands().front();
  std::vector<std::string> known;
  const bool flag = argument.starts_with("-");
  if (verb == &app && !flag)
    return fmt::format("{} is not one of the verbs, {}", argument, fmt::join(verbs_of(app), ", "));
  if (flag)
    for (const CLI::Option* o : verb->get_options())
      for (const std::string& name : o->get_lnames()) known.push_back("--" + name);
  const std::string name = argument.substr(0, argument.find('='));
  std::vector<std::string> others;
  for (const CLI::App* s : app.get_subcommands({}))
    if (flag && s->get_option_no_throw(name) != nullptr) others.push_back(s->get_name());
  if (verb != &app && !others.empty())
    return fmt::format("{} is a flag of {}, not of {}", name, fmt::join(others, ", "), verb->get_name());
  const std::string guess = nearest(name, known);
  return fmt::format("unknown {} {}{}", flag ? "flag" : "argument", name,
                     guess.empty() ? "" : fmt::format("; did you mean {}?", guess));
}

// CLI11's words for two frequent mistakes, made sentences; others as they are.
std::string plain_words(const std::string& message) {
  const std::string conversion = "Could not convert: ";
  const size_t equals = message.find(" = "), needs = message.find(" required ");
  if (message.starts_with(conversion) && equals != std::string::npos) {
    const std::string values = message.substr(equals + 3);  // of a repeated flag all, joined by commas
    return fmt::format("{} takes a number, not `{}`", message.substr(conversion.size(), equals - conversion.size()),
                       values.substr(values.rfind(',') + 1));
  }
  if (needs != std::string::npos && message.find(": ") < needs)
    return fmt::format("{} needs a value", message.substr(0, message.find(": ")));
  return message;
}

int report(const std::string& message) {
  std::fflush(stdout);
  say("error: " + message);
  return 1;
}

}  // namespace

void parse_flags(CLI::App& app, std::vector<std::string> args) {
  try {
    std::reverse(args.begin(), args.end());  // CLI11 takes them from the back
    app.parse(args);
  } catch (const CLI::Success&) {  // --help, --version
    throw;
  } catch (const CLI::ExtrasError&) {
    const std::vector<std::string> extras = app.remaining(true);
    fail("{}", extras.empty() ? "unknown argument" : unknown_argument(extras.front(), app));
  } catch (const CLI::RequiredError& e) {
    const std::vector<std::string> extras = app.remaining(true);
    const bool verbless = app.get_subcommands().empty();
    if (verbless && !extras.empty()) fail("{}", unknown_argument(extras.front(), app));
    if (verbless) fail("say what to do, one of {} (see --help)", fmt::join(verbs_of(app), ", "));
    fail("{} (see --help)", e.what());
  } catch (const CLI::ValidationError& e) {  // "--rank: " and the sentence
    const std::string message = e.what();
    fail("{}", message.substr(message.find(": ") + 2));
  } catch (const CLI::ParseError& e) {
    fail("{}", plain_words(e.what()));
  }
}

int run_program(int argc, char** argv, const Family& family, const std::vector<AddVerb>& verbs) {
  bound_waiting(argv);
  CLI::App app(family.about, argc > 0 ? std::filesystem::path(argv[0]).filename().string() : "");
  try {
    app.require_subcommand(1);
    app.set_version_flag("--version", LOWLAND_VERSION);
    for (const AddVerb add : verbs) add(app, family);
    std::vector<std::string> args = normalised(argc, argv);
    check_texts(args);
    expand_config(args, app);
    if (const CLI::App* verb = verb_of(args, app); verb != nullptr) say(take_habits(args, *verb));
    parse_flags(app, std::move(args));
    LL_CHECK(std::fflush(stdout) == 0 && std::ferror(stdout) == 0, "cannot write the output (is the disk full?)");
    return 0;
  } catch (const Ended& e) {
    return e.code;
  } catch (const Interrupted& e) {
    say(e.what());
    return 128 + e.signal;
  } catch (const CLI::Success& e) {  // --help, --version
    return app.exit(e);
  } catch (const std::bad_alloc&) {
    return report("out of memory: the system gives this program no more");
  } catch (const std::exception& e) {
    return report(e.what());
  }
}

}  // namespace lowland::apps
