#include "models/gguf/export.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "apps/common/progress.h"
#include "apps/settings/settings.h"
#include "apps/verbs/session_verb.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"
#include "models/hub/hub_folder.h"

namespace lowland::apps {
namespace {

struct ExportVerb {
  explicit ExportVerb(CLI::App& app) : flags(app) {}
  Flags flags;
  BaseSettings base;
  std::string gguf = "adapter", out;
};

void run(ExportVerb& verb, const std::function<HubFamily(const std::string&)>& hub) {
  take_run(verb.flags, verb.base);
  const BaseSettings& base = verb.base;
  LL_CHECK(!base.model.empty(), "--model names the base checkpoint, and is missing");
  LL_CHECK(!verb.out.empty(), "--out names the file to write, and is missing");
  const HubFamily family = hub(resolve_model_folder(base.model));
  const bool adapter = verb.gguf == "adapter";
  LL_CHECK(!adapter || !base.adapter.empty(),
           "--adapter is missing; --gguf f32, f16, bf16, q8_0 or q4_0 writes the model itself");
  const GgufReport report = adapter ? export_gguf_adapter(base.model, base.adapter, verb.out, family)
                                    : export_gguf_model(base.model, base.adapter, verb.gguf, verb.out, family);
  for (const std::string& note : report.notes) say(note);
  say(fmt::format("wrote {} tensors to {}", report.tensors, verb.out));
}

}  // namespace

void add_export(CLI::App& app, const Family& family) {
  CLI::App* command = app.add_subcommand("export", "An adapter, or the model with it merged in, as a GGUF file");
  const auto verb = std::make_shared<ExportVerb>(*command);
  verb->base.add_flags(verb->flags);
  verb->flags.drop("random-init");
  verb->flags.add("gguf", &verb->gguf,
                  "What to write: adapter (llama.cpp's LoRA file), or the model as f32, f16, bf16, q8_0 or q4_0");
  verb->flags.add("out,output-dir", &verb->out, "File to write");
  verb->flags.on_run([verb, hub = family.hub] { run(*verb, hub); });
}

}  // namespace lowland::apps
