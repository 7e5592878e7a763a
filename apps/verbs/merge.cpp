#include "models/hub/merge.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "apps/common/progress.h"
#include "apps/verbs/verbs.h"
#include "models/hub/hub_folder.h"

namespace lowland::apps {

void add_merge(CLI::App& app, const Family& family) {
  struct Paths {
    std::string model, adapter, out;
  };
  const auto paths = std::make_shared<Paths>();
  CLI::App* verb = app.add_subcommand("merge", "Add an adapter to its base: a folder for transformers and others");
  verb->add_option("--model", paths->model, "Base checkpoint")->required();
  verb->add_option("--adapter", paths->adapter, "PEFT adapter folder")->required();
  verb->add_option("--out,--output-dir", paths->out, "Folder to write")->required();
  verb->callback([paths, hub = family.hub] {
    const MergeReport report =
        merge_adapter(paths->model, paths->adapter, paths->out, hub(resolve_model_folder(paths->model)));
    for (const std::string& note : report.notes) say(note);
    say(fmt::format("merged {} modules into {}", report.modules, paths->out));
  });
}

}  // namespace lowland::apps
