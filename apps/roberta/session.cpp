#include "apps/roberta/session.h"

#include <algorithm>

#include "apps/common/progress.h"
#include "engine/error.h"
#include "models/hub/hub_folder.h"
#include "models/hub/write_model.h"
#include "models/roberta/load_weights.h"

namespace lowland::apps {
namespace fs = std::filesystem;
namespace {

std::map<std::string, int> label2id(const std::vector<std::string>& labels) {
  std::map<std::string, int> out;
  for (size_t i = 0; i < labels.size(); ++i) out[labels[i]] = static_cast<int>(i);
  return out;
}

void say_split(const char* name, const Split& split) {
  if (split.file.empty() && split.examples.empty()) return;
  std::string text = fmt::format("{}: {} examples", name, thousands(static_cast<int64_t>(split.examples.size())));
  if (split.carved) text += ", held out from train";
  if (split.skipped > 0) text += fmt::format("; skipped {}: {}", split.skipped, split.skip_reason);
  if (split.repaired > 0) text += fmt::format("; {} lines were not UTF-8 and are read as Windows-1252", split.repaired);
  say(text);
}

}  // namespace

Session::Session(Settings given) : settings(std::move(given)) {
  take_run(settings);
  LL_CHECK(settings.batch_size >= 1, "--batch-size must be at least 1, got {}", settings.batch_size);
  LL_CHECK(settings.max_length >= 1, "--max-length must be at least 1, got {}", settings.max_length);
  LL_CHECK(!settings.model.empty(), "--model names the base checkpoint, and is missing");
  folder = resolve_model_folder(settings.model);
  checkpoint_ = config = RobertaConfig::from_folder(folder);
  tokenizer = load_tokenizer(folder);
  LL_CHECK(tokenizer->vocab_size() <= config.vocab_size, "{}: the tokenizer has {} ids, the model {}", folder,
           tokenizer->vocab_size(), config.vocab_size);
  if (!settings.adapter.empty()) {
    adapter = load_adapter(settings.adapter);
    card = adapter->card;
    take_adapter_settings(*adapter, settings);
    if (card && settings.task.empty()) settings.task = card->task;
  }
  if (settings.targets.empty()) settings.targets = family_.default_targets;
  context = make_context(settings);
}

TextFiles Session::text_files() const {
  LL_CHECK(settings.train_files.size() <= 1, "--train takes one file, got {}", settings.train_files.size());
  return {settings.train_files.empty() ? "" : settings.train_files.front(),
          settings.dev_file,
          settings.test_file,
          settings.text_column,
          settings.text_pair_column,
          settings.label_column};
}

void Session::task_from_card() {
  if (!settings.task.empty() && settings.task != "text") {
    data.task = task_info(settings.task);
  } else {
    const std::vector<std::string>& labels = card && !card->labels.empty() ? card->labels : checkpoint_.labels;
    const bool regression = card && card->problem_type == "regression";
    data.task = text_task(regression ? std::vector<std::string>{} : labels, !settings.text_pair_column.empty());
  }
  const std::vector<std::string>& known = card && !card->labels.empty() ? card->labels : checkpoint_.labels;
  if (!data.task.regression && labels_match(data.task, label2id(known)))
    data.task = remap_labels(data.task, label2id(known));
  take_labels();
}

void Session::take_labels() {
  config.set_labels(data.task.regression ? std::vector<std::string>{"LABEL_0"} : data.task.labels);
  config.problem_type = data.task.problem_type;
}

void Session::load_data(const LoadOptions& options) {
  LL_CHECK(!settings.task.empty(), "--task is missing: one of {}, or text", fmt::join(task_names(), ", "));
  if (settings.task == "text") {
    std::optional<TaskInfo> known;
    if (!options.train && (card || checkpoint_.has_own_labels())) {
      task_from_card();
      known = data.task;
    }
    data = load_text(text_files(), options, known);
  } else {
    LL_CHECK(!settings.data.empty(), "--data names the folder of the task's files, and is missing");
    task_from_card();
    data = load_task(data.task, settings.data, options);
  }
  take_labels();
  say_split("train", data.train);
  say_split("dev", data.dev);
  say_split("dev (mismatched)", data.dev_mm);
  say_split("test", data.test);
}

std::unique_ptr<Roberta> Session::new_model(const Settings& like, bool for_training) const {
  if (adapter && for_training) check_trains_on(*adapter);
  auto made = std::make_unique<Roberta>(config, RobertaHead::classification);
  const bool full = like.method == "full" && !adapter;
  if (full && for_training) {
    made->train([](const std::string&) { return true; });
  } else if (adapter || for_training) {
    attach_adapter(*made, adapter_settings(like), family_, adapter ? &*adapter : nullptr);
  }
  made->set_recompute(like.recompute == "block");
  return made;
}

void Session::build_model(bool for_training) {
  if (!model) model = new_model(settings, for_training);
  model->set_recompute(settings.recompute == "block");  // --recompute auto was decided after it was made
  model->materialise(*context, compute_dtype(settings, *context));
  load_weights();
}

void Session::load_weights() {
  if (settings.random_init) {  // the adapter fits no checkpoint, and its card says so
    LL_CHECK(!adapter, "--random-init and --adapter contradict each other");
    const auto seed = static_cast<uint64_t>(settings.seed);
    model->parameters().initialise(seed, config.initializer_range, [](const std::string&) { return true; });
    model->initialise_adapters(seed);
    base_ = {folder, base_model_name(settings.base_model_name, folder),
             fmt::format("random weights, seed {}", settings.seed)};
    return;
  }
  WeightMap weights = open_weights(folder, family_);
  base_ = base_of(weights, settings.base_model_name);
  if (adapter) check_base(*adapter, base_);
  const bool labels_kept = card ? card->labels.empty() || card->labels == config.labels : true;
  head_from_adapter_ = adapter && !adapter->head.empty() && labels_kept;
  const LoadReport report = lowland::load_weights(*model, weights, static_cast<uint64_t>(settings.seed));
  if (!report.fresh.empty() && !head_from_adapter_)
    say(fmt::format("{} has no head for {}: a new one is drawn ({} tensors)", folder,
                    data.task.regression ? "a score" : fmt::format("{} labels", config.num_labels),
                    report.fresh.size()));
  if (!report.unused.empty()) say(report.unused);
  if (adapter) fill_adapter(*model, *adapter, head_from_adapter_);
}

void Session::write_result(const fs::path& into) const {
  if (settings.method == "full") {
    RobertaConfig written = config;
    written.architectures = {"RobertaForSequenceClassification"};
    write_model_files(into.string(), written.to_json(), model->parameters().named());
    copy_companion_files(folder, into.string());
    return;
  }
  LoadedAdapter out = collect_adapter(*model, adapter_settings(settings), family_, base_);
  out.card->task = settings.task;
  out.card->labels = data.task.regression ? std::vector<std::string>{} : data.task.labels;
  out.card->problem_type = data.task.problem_type;
  out.card->max_length = longest(settings, *model);
  out.card->method_json = method_json(settings);
  write_adapter_files(into.string(), std::move(out));
}

}  // namespace lowland::apps
