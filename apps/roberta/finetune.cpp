#include "apps/common/flags.h"
#include "apps/common/settings_json.h"
#include "apps/common/training_run.h"
#include "apps/roberta/session.h"
#include "apps/roberta/verbs.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

LoadOptions load_options(const Settings& s) {
  LoadOptions o;
  o.dev_fraction = s.dev_fraction;
  o.seed = static_cast<uint64_t>(s.seed);
  o.max_train_samples = s.max_train_samples;
  o.max_eval_samples = s.max_eval_samples;
  return o;
}

void finetune(const Settings& given_settings, const CLI::App& verb) {
  const Settings settings = resumed_settings(given_settings, [&](const std::string& f) { return given(verb, f); });
  check_training_settings(settings);
  check_out(settings);
  LL_CHECK(settings.method != "full" || settings.adapter.empty(),
           "--method full trains all weights, and --adapter is given: merge it into its base first");
  Session session(settings);
  fill_in_defaults(session.settings);
  check_adapter_flags(settings, session.settings, [&](const std::string& f) { return given(verb, f); });
  session.load_data(load_options(session.settings));
  session.model = session.new_model(session.settings, true);
  ClassificationWorkload workload(*session.model, *session.tokenizer, session.data, session.settings);
  const MemoryPlan plan =
      say_memory_plan(workload.plan_input([&](const Settings& s) { return session.new_model(s, true); }),
                      session.settings, *session.context);
  session.build_model(true);
  const auto method = optim::make_method(settings.method, session.model->arena(), method_options(settings));
  // Everything that can be refused has been: from here on the run's folder is written.
  RunFolder run(session.settings);
  run_training({*session.model, *method, workload, run,
                [&](const std::filesystem::path& into) { session.write_result(into); }, session.result_folder(),
                to_toml(session.settings, [&](const std::string& f) { return has_flag(verb, f); }), plan.peak()},
               session.settings);
}

}  // namespace

void add_finetune(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  CLI::App* verb =
      app.add_subcommand("finetune", "Train an adapter (or all weights) on a classification or regression task");
  const OptionBinder bind{*verb};
  visit_input(*settings, bind);
  visit_data(*settings, bind);
  visit_lora(*settings, bind);
  visit_method(*settings, bind);
  visit_training(*settings, bind);
  visit_system(*settings, bind);
  visit_output(*settings, bind);
  add_config_option(*verb);
  verb->callback([settings, verb] { finetune(*settings, *verb); });
}

}  // namespace lowland::apps
