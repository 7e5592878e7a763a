// Flags: the door of a program. Every flag of a verb is bound once to a field of a small struct, one struct a concern
// (settings.h and what each family adds). From there come the command line, --config files, run.json and config.toml,
// all with the same names. The writer of a run's files sees all flags; everybody else gets the struct of his concern.
#pragma once
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <variant>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace lowland::apps {

class Flags {
 public:
  explicit Flags(CLI::App& verb) : verb_(verb) {}
  Flags(const Flags&) = delete;
  Flags& operator=(const Flags&) = delete;

  using Field = std::variant<bool*, int64_t*, double*, std::string*, std::vector<std::string>*>;
  // names: as on the command line without dashes, the canonical one first: "lr,learning-rate". The field's value is the
  // default that --help shows, and must live as long as the flags.
  void add(const std::string& names, Field field, const std::string& help);
  // An argument without dashes; not in the files of a run.
  void add_positional(const std::string& name, std::string* field, const std::string& help);
  void add_positional(const std::string& name, std::vector<std::string>* field, const std::string& help);
  // How the verb talks and where it runs; not in the files of a run. names: with their dashes, "-v,--verbose".
  void add_manner(const std::string& names, Field field, const std::string& help);
  // In the files of a run, but not on the command line.
  void keep(const std::string& name, Field field);
  // Takes back a flag that was added: the verb has no use for it.
  void drop(const std::string& name);
  // The heading in --help of the flags that are added from here on.
  void group(const std::string& heading) { group_ = heading; }
  // --config FILE: its lines count as flags given right after the verb. run_program reads it; --help shows it.
  void add_config_file();

  // What the verb does, once its flags are read.
  void on_run(std::function<void()> verb);

  bool has(const std::string& name) const;             // on the command line
  bool given(const std::string& name) const;           // was it, there or in --config?
  std::string heading(const std::string& name) const;  // its group; empty where there is no such flag

  // --- the files of a run
  nlohmann::json to_json() const;
  // What --config reads back. Reruns the run into another folder: `out`, `run`, `resume` and `overwrite` are left out.
  std::string to_toml() const;
  // Sets the fields that the object has. `file` names the source in errors.
  void take_all(const nlohmann::json& object, const std::string& file) const;
  // Sets one field, if there is a flag of that name, it was not given, and the object has it.
  void take(const std::string& name, const nlohmann::json& object, const std::string& file) const;

 private:
  struct Entry {
    std::string name;
    Field field;
    CLI::Option* option;  // null: kept only
    std::string group = {};
  };
  const Entry* find(const std::string& name) const;
  // names: with their dashes. first: as errors call it.
  CLI::Option* bind(const std::string& names, const std::string& first, Field field, const std::string& help);

  CLI::App& verb_;
  std::string group_ = "Options";
  std::vector<Entry> entries_;
};

}  // namespace lowland::apps
