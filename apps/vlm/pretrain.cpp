#include <algorithm>

#include "apps/common/flags.h"
#include "apps/common/progress.h"
#include "apps/common/settings_json.h"
#include "apps/common/training_run.h"
#include "apps/vlm/image_classes.h"
#include "apps/vlm/verbs.h"
#include "apps/vlm/vlm_workload.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/hub/hub_folder.h"
#include "models/hub/write_model.h"
#include "models/vit/load_weights.h"

namespace lowland::apps {
namespace {

namespace fs = std::filesystem;

std::string toml_of(const Settings& s, const CLI::App& verb) {
  return to_toml(s, [&](const std::string& f) { return has_flag(verb, f); });
}

// A vision tower by classes: from --model-config, or going on from the tower at --vision-model.
void pretrain_tower(Settings s, const CLI::App& verb) {
  LL_CHECK(s.model_config.empty() || s.vision_model.empty(),
           "--model-config begins a new vision tower and --vision-model goes on with one: give one of them, not both");
  LL_CHECK(s.model_config.empty() != s.vision_model.empty(),
           "give --model-config, the config.json of a new vision tower, or --vision-model, one to go on with");
  const std::string from = s.vision_model.empty() ? "" : resolve_model_folder(s.vision_model);
  VitConfig config =
      from.empty() ? VitConfig::from_json(read_file(s.model_config), s.model_config) : VitConfig::from_folder(from);
  const std::unique_ptr<Context> context = make_context(s);
  PictureClassOptions options;
  options.dev_fraction = s.dev_fraction;
  options.seed = static_cast<uint64_t>(s.seed);
  options.max_train_samples = s.max_train_samples;
  options.max_eval_samples = s.max_eval_samples;
  options.skip_bad_images = s.skip_bad_images;
  options.threads = context->threads();
  const PictureClasses data = load_picture_classes(s.class_dir, options);
  config.labels = data.classes;
  const ImageSettings images = from.empty() ? ImageSettings::clip(config.image_size) : ImageSettings::from_folder(from);
  say(fmt::format("{} classes, {} pictures to train on, {} to evaluate on", config.labels.size(),
                  thousands(static_cast<int64_t>(data.train.size())),
                  thousands(static_cast<int64_t>(data.dev.size()))));
  if (data.skipped > 0) say("left out: " + data.skip_reason);
  const auto make = [&](const Settings& like) {
    auto made = std::make_unique<Vit>(config, VitHead::classification);
    made->train([](const std::string& name) { return name.find(".post_layernorm.") == std::string::npos; });
    made->set_recompute(like.recompute == "block");
    return made;
  };
  const std::unique_ptr<Vit> tower = make(s);
  Vit& model = *tower;
  ClassWorkload workload(model, images, data, s, context->threads());
  const MemoryPlan plan = say_memory_plan(workload.plan_input(make), s, *context);
  model.set_recompute(s.recompute == "block");  // --recompute auto has been decided by now
  model.materialise(*context, compute_dtype(s, *context));
  const auto seed = static_cast<uint64_t>(s.seed);
  if (from.empty()) {
    model.parameters().initialise(seed, config.initializer_range, [](const std::string&) { return true; });
  } else {
    load_weights(model, from, seed);
  }
  const auto write = [&](const fs::path& into) {
    VitConfig written = config;
    written.dtype = "float32";
    write_model_files(into.string(), written.to_json(), model.parameters().named());
    if (!from.empty()) {
      copy_companion_files(from, into.string());
    } else {
      write_file_atomically((into / "preprocessor_config.json").string(), clip_processor_json(config.image_size));
    }
  };
  const auto method = optim::make_method(s.method, model.arena(), method_options(s));
  RunFolder run(s);
  run_training({model, *method, workload, run, write, "model", toml_of(s, verb), plan.peak()}, s);
}

// The projector alone, between a tower and a language model that stay as they are.
void pretrain_projector(const Settings& s, const CLI::App& verb) {
  LL_CHECK(!s.vision_model.empty() || !s.model.empty(),
           "give --class-dir to train a vision tower, or --vision-model and --language-model to train a projector");
  Settings settings = s;
  if (settings.task.empty()) settings.task = "captions";
  VlmSession session(settings);
  session.trains_whole = [](const std::string& name) { return name.rfind(std::string(kVlmProjector) + ".", 0) == 0; };
  Pictures pictures(session.image_settings, session.context->threads());
  VlmData data = load_vlm_data(session, pictures, true, true, false);
  session.model = session.new_model(session.settings, true);
  VlmWorkload workload(*session.model, pictures, std::move(data.train), std::move(data.dev), session.settings);
  const MemoryPlan plan =
      say_memory_plan(workload.plan_input([&](const Settings& like) { return session.new_model(like, true); },
                                          compute_dtype(session.settings, *session.context)),
                      session.settings, *session.context);
  session.build_model(true);
  if (!s.cache_features.empty()) pictures.cache_features(s.cache_features, *session.model);
  const auto method = optim::make_method(s.method, session.model->arena(), method_options(s));
  RunFolder run(session.settings);
  run_training({*session.model, *method, workload, run, [&](const fs::path& into) { session.write_result(into); },
                "model", toml_of(s, verb), plan.peak()},
               session.settings);
  pictures.flush();
}

void pretrain(const Settings& given_settings, const CLI::App& verb) {
  Settings settings = resumed_settings(given_settings, [&](const std::string& f) { return given(verb, f); });
  settings.method = "full";
  check_training_settings(settings);
  check_out(settings);
  if (settings.class_dir.empty()) {
    pretrain_projector(settings, verb);
  } else {
    pretrain_tower(settings, verb);
  }
}

}  // namespace

void add_pretrain(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  settings->lr = 1e-3;
  settings->max_length = 1024;
  CLI::App* verb = app.add_subcommand(
      "pretrain", "A vision tower on pictures by class, or the projector between a tower and a language model");
  const OptionBinder bind{*verb};
  visit_vision_pretraining(*settings, bind);
  bind("model-config", settings->model_config, "config.json of the vision tower to make");
  bind("model", settings->model, "A LLaVA folder whose projector is to be trained further");
  bind("tokenizer", settings->tokenizer, "Tokenizer, where it is not in the language model's folder");
  visit_vision_data(*settings, bind);
  visit_vision(*settings, bind);
  visit_training(*settings, bind);
  visit_system(*settings, bind);
  visit_output(*settings, bind);
  add_config_option(*verb);
  verb->callback([settings, verb] { pretrain(*settings, *verb); });
}

}  // namespace lowland::apps
