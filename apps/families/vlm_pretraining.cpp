// Vision from scratch: a tower on pictures by class, a projector between a tower and a language model.
#include "apps/common/progress.h"
#include "apps/families/vlm.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/hub/hub_folder.h"
#include "models/hub/write_model.h"
#include "models/vit/load_weights.h"

namespace lowland::apps {
namespace fs = std::filesystem;

// --- the projector

void ProjectorPretraining::add_flags(Flags& f, Verb verb) {
  f.group("Data");
  parts_.add_flags(f);
  f.add("model", &base.model, "A LLaVA folder whose projector is to be trained further");
  VlmSession::add_flags(f, verb);
}

void ProjectorPretraining::check() const {
  LL_CHECK(!parts_.vision_model.empty() || !base.model.empty(),
           "give --class-dir to train a vision tower, or --vision-model and --language-model to train a projector");
  VlmSession::check();
}

Session& ProjectorPretraining::chosen() {
  if (parts_.class_dir.empty()) {
    if (questions_.task.empty()) questions_.task = "captions";
    return *this;
  }
  tower_ = std::make_unique<TowerPretraining>(parts_, questions_);
  tower_->method = method;
  tower_->batch = batch;
  tower_->system = system;
  tower_->splits = splits;
  tower_->label_smoothing = label_smoothing;
  return *tower_;
}

bool ProjectorPretraining::trains_whole(const std::string& name) const {
  return name.starts_with(std::string(kVlmProjector) + ".");
}

// --- the tower

void TowerPretraining::check() const {
  Session::check();
  LL_CHECK(settings_.model_config.empty() || settings_.vision_model.empty(),
           "--model-config begins a new vision tower and --vision-model goes on with one: give one of them, not both");
  LL_CHECK(settings_.model_config.empty() != settings_.vision_model.empty(),
           "give --model-config, the config.json of a new vision tower, or --vision-model, one to go on with");
}

void TowerPretraining::open(const Flags&) {
  const std::string& file = settings_.model_config;
  if (file.empty()) folder = resolve_model_folder(settings_.vision_model);
  config_ = file.empty() ? VitConfig::from_folder(folder) : VitConfig::from_json(read_file(file), file);
  images_ = file.empty() ? ImageSettings::from_folder(folder) : ImageSettings::clip(config_.image_size);
  say(config_.notes);
  say(images_.notes);
  config_.source.clear();  // what is written is a classifier, whatever it grew from
  random_std = config_.initializer_range;
  context = system.make_context();
}

void TowerPretraining::load(const Wanted&) {
  PictureClassOptions options;
  options.dev_fraction = splits.dev_fraction;
  options.seed = static_cast<uint64_t>(system.seed);
  options.max_train_samples = splits.max_train_samples;
  options.max_eval_samples = splits.max_eval_samples;
  options.skip_bad_images = skip_bad_images_;
  options.threads = context->threads();
  const PictureClasses data = load_picture_classes(settings_.class_dir, options);
  config_.labels = data.classes;
  say(fmt::format("{} classes, {} pictures to train on, {} to evaluate on", config_.labels.size(),
                  thousands(static_cast<int64_t>(data.train.size())),
                  thousands(static_cast<int64_t>(data.dev.size()))));
  if (data.skipped > 0) say("left out: " + data.skip_reason);
  objective_ = std::make_unique<PictureClassification>(data, images_, context->threads(),
                                                       augment_of(settings_.flip, settings_.shift, config_.image_size),
                                                       label_smoothing, static_cast<uint64_t>(system.seed));
}

std::unique_ptr<nn::Model> TowerPretraining::new_model(bool) const {
  auto model = std::make_unique<Vit>(config_, VitHead::classification);
  model->train([](const std::string& name) { return name.find(".post_layernorm.") == std::string::npos; });
  return model;
}

void TowerPretraining::fill(nn::Model& model) {
  if (folder.empty()) return fill_at_random(model);
  load_weights(static_cast<Vit&>(model), folder, static_cast<uint64_t>(system.seed));
}

void TowerPretraining::write(const nn::Model& model, const fs::path& into) const {
  VitConfig written = config_;
  written.dtype = "float32";
  write_model_files(into.string(), written.to_json(), model.parameters().named());
  if (folder.empty()) {
    write_file_atomically((into / "preprocessor_config.json").string(), clip_processor_json(config_.image_size));
  } else {
    copy_companion_files(folder, into.string());
  }
}

}  // namespace lowland::apps
