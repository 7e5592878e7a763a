#include "apps/common/merge.h"

#include <memory>

#include "apps/common/progress.h"
#include "engine/error.h"
#include "models/hub/merge.h"

namespace lowland::apps {
namespace {

void merge(const std::string& model, const std::string& adapter, const std::string& out, const HubFamily& family) {
  LL_CHECK(!model.empty() && !adapter.empty() && !out.empty(), "merge needs --model, --adapter and --out");
  say(fmt::format("merged {} modules into {}", merge_adapter(model, adapter, out, family).modules, out));
}

}  // namespace

void add_merge(CLI::App& app, const HubFamily& family) {
  auto model = std::make_shared<std::string>(), adapter = std::make_shared<std::string>(),
       out = std::make_shared<std::string>();
  CLI::App* verb = app.add_subcommand("merge", "Add an adapter to its base: a folder for transformers and others");
  verb->add_option("--model", *model, "Base checkpoint")->required();
  verb->add_option("--adapter", *adapter, "PEFT adapter folder")->required();
  verb->add_option("--out,--output-dir", *out, "Folder to write")->required();
  verb->callback([=] { merge(*model, *adapter, *out, family); });
}

}  // namespace lowland::apps
