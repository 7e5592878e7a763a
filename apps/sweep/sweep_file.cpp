#include "apps/sweep/sweep_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/settings/toml_file.h"
#include "apps/train/probes.h"
#include "apps/train/roundings.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

using nlohmann::json;

std::string dashed(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::string plain(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return fmt::format("{}", value.get<double>());
  return value.dump();
}

std::vector<std::string> values_of(const json& value, const std::string& where) {
  std::vector<std::string> out;
  for (const json& item : value.is_array() ? value : json::array({value})) {
    LL_CHECK(item.is_primitive(), "{} holds a list or a table, which is no value of a flag", where);
    out.push_back(plain(item));
  }
  return out;
}

// One value of an axis: what it is called, and its flags.
struct Entry {
  std::string name, setting;
  FlagValues flags;
};

// The flags of a table; `name` is none.
FlagValues flags_of(const json& table, const std::string& where) {
  LL_CHECK(table.is_object(), "{} must be a table of flags", where);
  FlagValues flags;
  for (const auto& [key, value] : table.items())
    if (key != "name") put_flag(flags, dashed(key), values_of(value, where + " " + key));
  for (const char* own : {"out", "resume", "overwrite", "seed", "config"})
    LL_CHECK(find_flag(flags, own) == nullptr, "{}: {} is not a flag of a sweep's runs{}", where, own,
             std::string(own) == "seed" ? "; `seeds` lists them" : "");
  return flags;
}

std::string name_of(const json& table, const FlagValues& flags, const char* flag, const std::string& where) {
  const std::vector<std::string>* value = find_flag(flags, flag);
  std::string name;
  if (table.contains("name"))
    name = plain(table.at("name"));
  else if (value != nullptr && !value->empty())
    name = value->front();
  LL_CHECK(!name.empty(), "{} has no name", where);
  return name;
}

// [[models]] and [[tasks]]. flag: whose value is the name where there is none.
std::vector<Entry> entries(const json& file, const char* axis, const char* flag, const std::string& where) {
  if (!file.contains(axis)) return {{}};
  std::vector<Entry> out;
  for (const json& table : file.at(axis)) {
    const FlagValues flags = flags_of(table, fmt::format("{}: [[{}]]", where, axis));
    out.push_back({name_of(table, flags, flag, fmt::format("{}: an entry of [[{}]]", where, axis)), "", flags});
  }
  return out;
}

// [[methods]], a list of values being an entry for each.
std::vector<Entry> methods_of(const json& file, const std::string& where) {
  LL_CHECK(file.contains("methods") && !file.at("methods").empty(), "{} lists no [[methods]]", where);
  std::vector<Entry> out;
  for (const json& table : file.at("methods")) {
    const FlagValues all = flags_of(table, where + ": [[methods]]");
    std::vector<Entry> grid{{name_of(table, all, "method", where + ": an entry of [[methods]]"), "", {}}};
    for (const auto& [flag, values] : all) {
      LL_CHECK(!values.empty(), "{}: {} of method {} is an empty list", where, flag, grid.front().name);
      std::vector<Entry> next;
      for (const Entry& entry : grid)
        for (const std::string& value : values) {
          Entry& added = next.emplace_back(entry);
          put_flag(added.flags, flag, {value});
          if (values.size() > 1) added.setting += (added.setting.empty() ? "" : ", ") + flag + " " + value;
        }
      grid = std::move(next);
    }
    out.insert(out.end(), grid.begin(), grid.end());
  }
  return out;
}

void check_keys(const json& file, const std::string& where) {
  static const std::set<std::string> known = {"title",          "seeds",         "baseline", "score",    "probe-rho",
                                              "probe-examples", "keep-adapters", "probes",   "quantise", "all",
                                              "models",         "tasks",         "methods",  "also",     "cache-mb"};
  for (const auto& [key, value] : file.items()) {
    LL_CHECK(known.contains(dashed(key)), "{}: `{}` is no key of a sweep: {}{}", where, key, fmt::join(known, ", "),
             value.is_primitive() ? " (flags of all runs stand in [all])" : "");
    const bool axis = key == "models" || key == "tasks" || key == "methods" || key == "also";
    LL_CHECK(!axis || (value.is_array() && !value.empty()), "{}: {} is a list of tables, each below [[{}]]", where, key,
             key);
  }
}

std::vector<int64_t> seeds_of(const json& file, const std::string& where) {
  const json seeds = file.value("seeds", json::array({42}));
  LL_CHECK(seeds.is_array() && !seeds.empty(), "{}: seeds must be a list of numbers", where);
  std::vector<int64_t> out;
  for (const json& seed : seeds) {
    LL_CHECK(seed.is_number_integer(), "{}: seeds must be whole numbers, not {}", where, seed.dump());
    out.push_back(seed.get<int64_t>());
  }
  return out;
}

void check_baseline(Sweep& sweep, const std::vector<Entry>& methods, const std::string& where) {
  const auto has = [&](const std::string& name) {
    return std::any_of(methods.begin(), methods.end(), [&](const Entry& m) { return m.name == name; });
  };
  if (sweep.baseline.empty()) sweep.baseline = has("lora") ? "lora" : methods.front().name;
  LL_CHECK(has(sweep.baseline), "{}: the baseline {} is none of its methods", where, sweep.baseline);
}

}  // namespace

const std::vector<std::string>* find_flag(const FlagValues& flags, const std::string& name) {
  const auto at = std::find_if(flags.begin(), flags.end(), [&](const auto& flag) { return flag.first == name; });
  return at == flags.end() ? nullptr : &at->second;
}

void put_flag(FlagValues& flags, const std::string& name, std::vector<std::string> values) {
  std::erase_if(flags, [&](const auto& flag) { return flag.first == name; });
  flags.emplace_back(name, std::move(values));
}

std::string SweepRun::name() const {
  return fmt::format("{}{}/{}{}/{}", model.empty() ? "" : model + "/", task, method,
                     setting.empty() ? "" : " " + setting, seed);
}

std::string SweepRun::folder() const {
  std::string out = name();
  for (char& c : out) {
    const bool plain =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '+';
    if (!plain) c = c == '/' ? '_' : '-';
  }
  return out;
}

Sweep read_sweep(const std::string& file) {
  const json toml = read_toml(file);
  check_keys(toml, file);
  Sweep sweep;
  sweep.title = toml.contains("title") ? plain(toml.at("title")) : "Sweep";
  sweep.baseline = toml.contains("baseline") ? plain(toml.at("baseline")) : "";
  for (const char* key : {"probe-rho", "probe-examples"})
    LL_CHECK(!toml.contains(key) || toml.at(key).is_number(), "{}: {} must be a number", file, key);
  sweep.probe_rho = toml.value("probe-rho", sweep.probe_rho);
  sweep.probe_examples = toml.value("probe-examples", sweep.probe_examples);
  LL_CHECK(!toml.contains("keep-adapters") || toml.at("keep-adapters").is_boolean(),
           "{}: keep-adapters is true or false", file);
  sweep.keep_adapters = toml.value("keep-adapters", false);
  LL_CHECK(!toml.contains("cache-mb") || (toml.at("cache-mb").is_number_integer() && toml.at("cache-mb") >= 0),
           "{}: cache-mb must be a whole number of megabytes, or 0", file);
  sweep.cache_mb = toml.value("cache-mb", sweep.cache_mb);
  if (toml.contains("probes")) {
    sweep.probes = values_of(toml.at("probes"), file + ": probes");
    parse_probes("probe", fmt::format("{}", fmt::join(sweep.probes, ",")));
  }
  if (toml.contains("quantise")) {
    sweep.quantise = values_of(toml.at("quantise"), file + ": quantise");
    for (const std::string& name : sweep.quantise) rounding_of(name);
  }
  if (toml.contains("score")) {
    const std::vector<std::string> score = values_of(toml.at("score"), file + ": score");
    const auto has = [&](const char* split) { return std::find(score.begin(), score.end(), split) != score.end(); };
    sweep.score_test = has("test");
    LL_CHECK(has("dev") && std::ssize(score) == (sweep.score_test ? 2 : 1), "{}: score must list dev, or dev and test",
             file);
  }
  const FlagValues all = toml.contains("all") ? flags_of(toml.at("all"), file + ": [all]") : FlagValues();
  const std::vector<Entry> methods = methods_of(toml, file);
  std::vector<Entry> tasks = entries(toml, "tasks", "task", file);
  if (!toml.contains("tasks"))
    if (const auto* task = find_flag(all, "task"); task != nullptr && !task->empty())
      tasks.front().name = task->front();
  if (tasks.front().name.empty()) tasks.front().name = "all";
  check_baseline(sweep, methods, file);
  if (toml.contains("also"))
    for (const Entry& other : entries(toml, "also", "dev", file)) sweep.also.push_back({other.name, other.flags});
  std::set<std::string> names;
  for (const Entry& model : entries(toml, "models", "model", file))
    for (const Entry& task : tasks)
      for (const int64_t seed : seeds_of(toml, file))
        for (const Entry& method : methods) {
          SweepRun run{model.name, task.name, method.name, method.setting, seed, all};
          for (const Entry* entry : {&model, &task, &method})
            for (const auto& [flag, values] : entry->flags) put_flag(run.flags, flag, values);
          put_flag(run.flags, "seed", {std::to_string(seed)});
          LL_CHECK(names.insert(run.name()).second, "{} lists the run {} twice: give its method or task a name", file,
                   run.name());
          sweep.runs.push_back(std::move(run));
        }
  return sweep;
}

std::string fill_in(const std::string& text, const Variables& variables) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c != '{' && c != '}') {
      out += c;
    } else if (at + 1 < text.size() && text[at + 1] == c) {
      out += c;
      ++at;
    } else {
      const size_t end = text.find('}', at);
      LL_CHECK(c == '{' && end != std::string::npos, "`{}` has a brace without its other half", text);
      const std::string name = text.substr(at + 1, end - at - 1);
      const auto found = variables.find(name);
      LL_CHECK(found != variables.end(), "`{}` wants a value: --set {}=VALUE", text, name);
      out += found->second;
      at = end;
    }
  }
  return out;
}

std::vector<std::string> arguments_of(const SweepRun& run, const Variables& variables, const FlagValues& instead) {
  Variables all = variables;
  all["seed"] = std::to_string(run.seed);
  FlagValues flags = run.flags;
  for (const auto& [flag, values] : instead) put_flag(flags, flag, values);
  std::vector<std::string> args{"finetune"};
  for (const auto& [flag, values] : flags)
    for (const std::string& value : values) {
      const std::string filled = fill_in(value, all);
      if (filled.empty()) {  // CLI11 takes `--name=` for a flag without a value
        args.insert(args.end(), {"--" + flag, filled});
      } else {
        args.push_back("--" + flag + "=" + filled);
      }
    }
  return args;
}

}  // namespace lowland::apps
