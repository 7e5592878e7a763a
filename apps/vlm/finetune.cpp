#include "apps/common/flags.h"
#include "apps/common/settings_json.h"
#include "apps/common/training_run.h"
#include "apps/vlm/verbs.h"
#include "apps/vlm/vlm_workload.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

constexpr const char* kRho =
    "Radius of the perturbation. For LLaVA-1.5 the EFlat-LoRA paper finds 0.2 best on ScienceQA and 0.05 on VizWiz";

void finetune(const Settings& given_settings, const CLI::App& verb) {
  const Settings settings = resumed_settings(given_settings, [&](const std::string& f) { return given(verb, f); });
  check_training_settings(settings);
  check_out(settings);
  VlmSession session(settings);
  fill_in_defaults(session.settings);
  check_adapter_flags(settings, session.settings, [&](const std::string& f) { return given(verb, f); });
  Pictures pictures(session.image_settings, session.context->threads());
  VlmData data = load_vlm_data(session, pictures, true, true, false);
  session.model = session.new_model(session.settings, true);
  VlmWorkload workload(*session.model, pictures, std::move(data.train), std::move(data.dev), session.settings);
  const MemoryPlan plan =
      say_memory_plan(workload.plan_input([&](const Settings& s) { return session.new_model(s, true); },
                                          compute_dtype(session.settings, *session.context)),
                      session.settings, *session.context);
  session.build_model(true);
  if (!settings.cache_features.empty()) pictures.cache_features(settings.cache_features, *session.model);
  const auto method = optim::make_method(settings.method, session.model->arena(), method_options(settings));
  // Everything that can be refused has been: from here on the run's folder is written.
  RunFolder run(session.settings);
  run_training({*session.model, *method, workload, run,
                [&](const std::filesystem::path& into) { session.write_result(into); }, session.result_folder(),
                to_toml(session.settings, [&](const std::string& f) { return has_flag(verb, f); }), plan.peak()},
               session.settings);
  pictures.flush();
}

}  // namespace

void add_finetune(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  settings->max_length = 1024;
  CLI::App* verb = app.add_subcommand("finetune", "Train an adapter (or all weights) on questions about images");
  const OptionBinder bind{*verb};
  visit_input(*settings, bind);
  bind("tokenizer", settings->tokenizer, "Tokenizer, where it is not in the model's folder");
  visit_vision_data(*settings, bind);
  visit_vision(*settings, bind);
  visit_vision_training(*settings, bind);
  visit_lora(*settings, bind);
  visit_method(*settings, [&](const char* names, auto& field, const char* help) {
    bind(names, field, std::string(names) == "rho" ? kRho : help);
  });
  visit_training(*settings, bind);
  visit_system(*settings, bind);
  visit_output(*settings, bind);
  add_config_option(*verb);
  verb->callback([settings, verb] { finetune(*settings, *verb); });
}

}  // namespace lowland::apps
