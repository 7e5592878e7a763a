#include "apps/verbs/session_verb.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/train/ranks.h"
#include "apps/train/run_folder.h"
#include "engine/error.h"

namespace lowland::apps {
namespace fs = std::filesystem;

SessionVerb::SessionVerb(CLI::App& program, const Family& family, const std::string& name, const std::string& help,
                         std::unique_ptr<Session> session)
    : door(std::move(session)),
      flags(*program.add_subcommand(name, family.help.contains(name) ? family.help.at(name) : help)),
      name_(name) {}

Session& SessionVerb::enter(bool shares) {
  if (!shares) require_alone(name_);
  take_run(flags, door->base);
  Session& session = door->chosen();
  session.check();
  return session;
}

void take_run(const Flags& flags, BaseSettings& base) {
  if (!flags.given("run")) return;
  const fs::path run(base.run);
  const std::string file = (run / "run.json").string();
  const nlohmann::json stored = read_run_settings(run);
  if (stored.value("method", "lora") == "full") {
    if (!flags.given("model")) base.model = (run / "model").string();
  } else {
    flags.take("model", stored, file);
    if (!flags.given("adapter")) base.adapter = (run / "adapter").string();
    flags.take("weights-dtype", stored, file);  // the numbers that the adapter was trained beside
  }
  for (const char* name : {"data",
                           "task",
                           "train",
                           "dev",
                           "test",
                           "tokenizer",
                           "chat-template",
                           "date",
                           "image-dir",
                           "instruction",
                           "scienceqa-format",
                           "prompt-style",
                           "text-column",
                           "text-pair-column",
                           "label-column",
                           "columns",
                           "template",
                           "label-words",
                           "dev-fraction",
                           "max-length",
                           "seed"})
    flags.take(name, stored, file);
}

}  // namespace lowland::apps
