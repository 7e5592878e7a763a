#include "models/hub/merge.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "apps/common/progress.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"
#include "models/gguf/export.h"
#include "models/hub/hub_folder.h"

namespace lowland::apps {

void add_merge(CLI::App& app, const Family& family) {
  struct Paths {
    std::string model, adapter, out, quantise;
  };
  const auto paths = std::make_shared<Paths>();
  CLI::App* verb = app.add_subcommand("merge", "Add an adapter to its base: a folder for transformers and others");
  verb->add_option("--model", paths->model, "Base checkpoint")->required();
  verb->add_option("--adapter", paths->adapter, "PEFT adapter folder")->required();
  verb->add_option("--out,--output-dir", paths->out, "Folder to write")->required();
  verb->add_option("--quantize-merged", paths->quantise, "q8_0 or q4_0: --out is a GGUF file of the merged model");
  verb->callback([paths, hub = family.hub] {
    const HubFamily of = hub(resolve_model_folder(paths->model));
    const std::string& type = paths->quantise;
    if (!type.empty()) {
      LL_CHECK(type == "q8_0" || type == "q4_0", "--quantize-merged must be q8_0 or q4_0, got {}", type);
      const GgufReport report = export_gguf_model(paths->model, paths->adapter, type, paths->out, of);
      for (const std::string& note : report.notes) say(note);
      say(fmt::format("merged into {}, {} tensors in {}", paths->out, report.tensors, type));
      return;
    }
    const MergeReport report = merge_adapter(paths->model, paths->adapter, paths->out, of);
    for (const std::string& note : report.notes) say(note);
    say(fmt::format("merged {} modules into {}", report.modules, paths->out));
  });
}

}  // namespace lowland::apps
