#include "apps/families/roberta.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/common/progress.h"
#include "apps/data/columns.h"
#include "apps/data/task_files.h"
#include "apps/families/family.h"
#include "engine/error.h"
#include "models/hub/hub_folder.h"
#include "models/hub/write_model.h"
#include "models/roberta/roberta.h"

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
  say(text);
}

void add_prompt_flags(Flags& f, TextTaskSettings& task) {
  f.add("template,prompt", &task.prompt,
        "Label by the word at the mask of an encoder's masked-LM head: LM-BFF's template, "
        "*cls**sent_0*_It_was*mask*.*sep+*, or task for the task's own");
  f.add("label-words", &task.label_words,
        "With --template: a word for each label, a comma list by id or a JSON object (empty: the task's own)");
}

}  // namespace

void RobertaSession::add_flags(Flags& f, Verb verb) {
  f.group("Data");
  flags_ = &f;
  trains_ = verb == Verb::finetune || verb == Verb::inspect;
  const char* const columns[] = {"Column of the text", "Column of the second text of a pair"};
  const char* const renamed = "What the columns are here, in one: text=sentence,text_pair=other,label=gold";
  if (verb == Verb::predict) {
    f.add_positional("INPUT", &input_,
                     "File of lines (pairs split by TAB), .csv, .jsonl or .json; - reads lines from stdin");
    f.add("task", &task_.task, "The task, where neither adapter nor checkpoint tells it");
    f.add("text-column", &task_.text_column, columns[0]);
    f.add("text-pair-column", &task_.pair_column, columns[1]);
    f.add("columns", &task_.columns, renamed);
    add_prompt_flags(f, task_);
    f.add("max-length,max-seq-length,length", &splits.max_length, "Longest sequence in tokens");
    batch.add_weights_dtype(f);
    f.add("keep-columns", &keep_,
          "Columns of INPUT to write beside the label, a comma list; of lines text and text_pair");
    f.add("format", &format_, "json, or glue for a submission file");
    return;
  }
  f.add("data", &task_.data, "Folder of the task's files, or the GLUE folder above it");
  f.add("task", &task_.task, task_help());
  if (verb == Verb::finetune || verb == Verb::inspect) base.add_new_tokens(f);
  f.add("train", &splits.train, "Task text: training file (.tsv, .csv, .jsonl or .json)");
  f.add("dev", &splits.dev, "Task text: development file");
  f.add("test", &splits.test, "Task text: test file");
  f.add("text-column", &task_.text_column, "Task text: column of the text");
  f.add("text-pair-column", &task_.pair_column, "Task text: column of the second text of a pair");
  f.add("label-column", &task_.label_column, "Task text: column of the label");
  f.add("columns", &task_.columns, std::string("Task text: ") + renamed);
  if (verb == Verb::finetune || verb == Verb::inspect)
    f.add("problem-type", &task_.problem_type,
          "Task text: single_label_classification, multi_label_classification (labels are lists) or regression");
  if (verb == Verb::finetune || verb == Verb::inspect)
    f.add("class-weights", &task_.class_weights,
          "Weights of the classes in the loss: balanced, or a comma list in the order of their ids");
  add_prompt_flags(f, task_);
  splits.add_limits(f, "");
  f.add("draw-eval-samples", &task_.draw_eval_samples,
        "Draw the --max-eval-samples, the same for every seed, instead of the first");
  if (verb == Verb::finetune || verb == Verb::inspect) {
    f.add("shots,k-shot", &task_.shots, "Learn from N examples of each class, drawn by the seed (0: all)");
    f.add("dev-shots", &task_.dev_shots,
          "Evaluate on N other training examples of each class, drawn by the seed (0: on the dev file)");
    f.add("label-noise", &task_.label_noise, "Give this share of the training examples another class, by the seed");
  }
  f.add("max-length,max-seq-length,length", &splits.max_length, "Longest sequence in tokens; longer ones are cut");
  batch.add_weights_dtype(f);
}

void RobertaSession::check() const {
  Session::check();
  check_word("format", format_, {"json", "glue"});
  if (!task_.problem_type.empty())
    check_word("problem-type", task_.problem_type,
               {"single_label_classification", "multi_label_classification", "regression"});
}

void RobertaSession::open(const Flags& flags) {
  const Columns columns(task_.columns, {"text", "text_pair", "label"});
  task_.text_column = columns.of("text", task_.text_column);
  task_.pair_column = columns.of("text_pair", task_.pair_column);
  task_.label_column = columns.of("label", task_.label_column);
  LL_CHECK(!base.model.empty(), "--model names the base checkpoint, and is missing");
  folder = resolve_model_folder(base.model);
  checkpoint_ = text_config_of(folder);
  config_ = text_config_of(folder);
  say(config_->notes);
  family_ = config_->classifier_family();
  random_std = config_->initializer_range;
  tokenizer_at_ = with_new_tokens(has_tokenizer(base.adapter) ? base.adapter : folder);
  if (!new_tokens_.empty()) config_->vocab_size = std::max(config_->vocab_size, new_tokens_.back() + 1);
  take_adapter(flags, family_);
  take_prompt();
  if (adapter) fit_classifier(*config_, *adapter);
  open_tokenizer(tokenizer_at_, config_->vocab_size);
  const std::string table = config_->embedding();
  train_new_tokens(table.substr(table.rfind('.') + 1), false);
  if (card() != nullptr && task_.task.empty()) task_.task = card()->task;
  if (!context) context = system.make_context();
  config_->check_device(*context, folder);
}

void RobertaSession::take_prompt() {
  if (card() != nullptr && !prompted() && !card()->prompt_template.empty()) {
    task_.prompt = card()->prompt_template;
    task_.label_words = nlohmann::json(card()->label_words).dump();
  }
  LL_CHECK(prompted() || task_.label_words.empty(),
           "--label-words {}: --template says where they stand, and is missing", task_.label_words);
  LL_CHECK(prompted() || !adapter || !adapter->config.base_model_class.ends_with("ForMaskedLM"),
           "{} is of a model that fills in words: --template and --label-words say which words are the labels",
           base.adapter);
  if (!prompted()) return;
  LL_CHECK(!config_->causal(), "--template {}: a word is filled in by an encoder with a masked-LM head, and {} is a {}",
           task_.prompt, folder, config_->model_type);
  family_ = lowland::roberta_family(config_->model_type, true);
}

int64_t RobertaSession::longest() const { return std::min(splits.max_length, config_->max_tokens()); }

std::vector<std::string> RobertaSession::known_labels() const {
  return card() != nullptr && !card()->labels.empty() ? card()->labels : checkpoint_->labels;
}

TextFiles RobertaSession::text_files() const {
  LL_CHECK(splits.train.size() <= 1, "--train takes one file, got {}", splits.train.size());
  return {splits.train.empty() ? "" : splits.train.front(),
          splits.dev,
          splits.test,
          task_.text_column,
          task_.pair_column,
          task_.label_column,
          task_.problem_type};
}

LoadOptions RobertaSession::load_options(const Wanted& wanted) const {
  return {.train = wanted.train,
          .dev = wanted.dev,
          .test = wanted.test,
          .dev_fraction = splits.dev_fraction,
          .seed = static_cast<uint64_t>(system.seed),
          .max_train_samples = splits.max_train_samples,
          .max_eval_samples = splits.max_eval_samples,
          .draw_eval_samples = task_.draw_eval_samples,
          .shots = task_.shots,
          .dev_shots = task_.dev_shots,
          .label_noise = task_.label_noise};
}

void RobertaSession::task_from_card() {
  TaskInfo& task = data_.task;
  const std::map<std::string, int> known = label2id(known_labels());
  if (!task_.task.empty() && task_.task != "text") {
    task = task_info(task_.task);
    const bool match = task.regression || labels_match(task, known);
    LL_CHECK(match || trains_ || is_default_label2id(known),
             "{} was trained for the labels {}, not for those of task {}: {}",
             card() != nullptr && !card()->labels.empty() ? base.adapter : folder, fmt::join(known_labels(), ", "),
             task.name, task.describe_labels());
    if (!task.regression && match) task = remap_labels(task, known);
  } else {
    const bool regression = card() != nullptr
                                ? card()->problem_type == "regression"
                                : checkpoint_->num_labels == 1 || checkpoint_->problem_type == "regression";
    const bool many =
        (card() != nullptr ? card()->problem_type : checkpoint_->problem_type) == "multi_label_classification";
    task = many ? multi_label_task(known_labels(), !task_.pair_column.empty())
                : text_task(regression ? std::vector<std::string>{} : known_labels(), !task_.pair_column.empty());
    // LABEL_1 of a checkpoint that names none is 1 in files.
    for (size_t id = 0; is_default_label2id(known) && id < task.file_labels.size(); ++id)
      task.file_labels[id] = std::to_string(id);
  }
  take_labels();
}

void RobertaSession::follow_known_labels() {
  const std::map<std::string, int> known = label2id(known_labels());
  if (!data_.task.regression && labels_match(data_.task, known)) remap_labels(data_, known);
}

void RobertaSession::take_labels() {
  config_->set_labels(data_.task.regression ? std::vector<std::string>{"LABEL_0"} : data_.task.labels);
  config_->problem_type = data_.task.problem_type;
  if (!prompted()) return;
  prompt_text_ = prompt_of(task_.prompt, task_.label_words, data_.task);
  prompt_.emplace(prompt_text_, data_.task, *tokenizer);
  config_->label_words = prompt_->words();
}

bool RobertaSession::has_test() const {
  if (task_.task == "text") return !splits.test.empty();
  const TaskInfo task = task_info(task_.task);
  return find_task_file(task, find_task_folder(task, task_.data), SplitName::test).has_value();
}

void RobertaSession::load(const Wanted& wanted) {
  LL_CHECK(!task_.task.empty(), "--task is missing: one of {}, or text", fmt::join(task_names(), ", "));
  const LoadOptions options = load_options(wanted);
  if (task_.task == "text") {
    std::optional<TaskInfo> known;
    if (!trains_) {
      task_from_card();
      known = data_.task;
    }
    data_ = load_text(text_files(), options, known);
    if (trains_) follow_known_labels();
    say(data_.task.regression ? "labels: numbers, a regression"
        : data_.task.multi_label
            ? fmt::format("labels: any of {}: {}", data_.task.num_labels, data_.task.describe_labels())
            : fmt::format("labels: {} classes: {}", data_.task.num_labels, data_.task.describe_labels()));
  } else {
    LL_CHECK(!task_.data.empty(), "--data names the folder of the task's files, and is missing");
    LL_CHECK(task_.problem_type.empty(), "--problem-type is for --task text: that of {} is known", task_.task);
    LL_CHECK(task_.columns.empty(), "--columns is for --task text: the columns of {} are known", task_.task);
    task_from_card();
    data_ = load_task(data_.task, task_.data, options);
  }
  std::vector<Example>& train = data_.train.examples;
  if (wanted.scoring && wanted.train && splits.max_eval_samples > 0)
    train.resize(std::min<size_t>(train.size(), splits.max_eval_samples));
  take_labels();
  say_split("train", data_.train);
  say_split("dev", data_.dev);
  say_split("dev (mismatched)", data_.dev_mm);
  say_split("test", data_.test);
  if (data_.task.multi_label) system.no_graphs = true;  // its loss makes a constant anew
  LL_CHECK(label_smoothing == 0 || !data_.task.multi_label,
           "--label-smoothing {}: each label of a multi-label task has a loss of its own, without smoothing",
           label_smoothing);
  std::vector<double> weights = class_weights_of(task_.class_weights, data_.task, data_.train.examples);
  LL_CHECK(label_smoothing == 0 || weights.empty(), "--class-weights and --label-smoothing do not go together");
  objective_ = std::make_unique<Classification>(*tokenizer, data_, longest(), label_smoothing, std::move(weights),
                                                prompt_ ? &*prompt_ : nullptr);
}

std::vector<std::string> RobertaSession::data_files() const {
  std::vector<std::string> files;
  for (const Split* split : {&data_.train, &data_.dev, &data_.dev_mm, &data_.test, &data_.test_mm})
    if (!split->file.empty() && !split->carved && task_.task != "text") files.push_back(split->file);
  return files;
}

std::unique_ptr<nn::Model> RobertaSession::new_model(bool for_training) const {
  std::unique_ptr<nn::Model> model = config_->new_classifier();
  choose_trained(*model, family_, for_training);
  return model;
}

void RobertaSession::fill(nn::Model& model) {
  if (base.random_init) return fill_at_random(model);  // its adapter fits no checkpoint, and its card says so
  WeightMap weights = open_weights(folder, family_);
  base_model_ = base_of(weights, base.base_model_name);
  if (adapter) check_base(*adapter, base_model_);
  if (adapter && !config_->causal()) {  // a vocabulary that the adapter brings
    for (const HeadTensor& t : adapter->stored) weights.grow({t.name});
    for (const HeadTensor& t : adapter->head) weights.grow({t.name});
  }
  read_grown(weights, model);
  const bool labels_kept = card() == nullptr || card()->labels.empty() || card()->labels == config_->labels;
  const bool head_from_adapter = adapter && !adapter->head.empty() && labels_kept;
  const LoadReport report = load_classifier(static_cast<TextModel&>(model), weights, static_cast<uint64_t>(system.seed),
                                            adapter ? &*adapter : nullptr);
  if (!trains_ && !report.fresh.empty() && !head_from_adapter) require_head(weights, report.fresh.back());
  if (!report.fresh.empty() && !head_from_adapter)
    say(fmt::format("{} has no head for {}: a new one is drawn ({} tensors)", folder,
                    data_.task.regression ? "a score" : fmt::format("{} labels", config_->num_labels),
                    report.fresh.size()));
  const std::map<std::string, int> known = label2id(checkpoint_->labels);
  if (trains_ && report.fresh.empty() && !head_from_adapter && !prompted() && !data_.task.regression &&
      !labels_match(data_.task, known))
    say(fmt::format("{} was trained for the labels {}: its head goes on from them", folder,
                    fmt::join(checkpoint_->labels, ", ")));
  if (!report.unused.empty()) say(report.unused);
  if (adapter) fill_adapter(model, *adapter, head_from_adapter);
}

void RobertaSession::require_head(const WeightMap& weights, const std::string& fresh) const {
  const std::string wanted = data_.task.regression ? "a score" : fmt::format("{} labels", config_->num_labels);
  LL_CHECK(!weights.contains(fresh), "{}: `{}` has shape {}, which is no head for {}", folder, fresh,
           to_string(weights.info(fresh).shape), wanted);
  fail("{} has no trained head for {}: `finetune` trains one, and --run or --adapter names what it wrote", folder,
       wanted);
}

void RobertaSession::write(const nn::Model& model, const fs::path& into) const {
  if (method.full()) {
    write_model_files(into.string(), config_->classifier_json(), tensors_to_write(model.parameters()));
    copy_companion_files(folder, into.string());
    copy_tokenizer_files(tokenizer_at_, into.string());
    return;
  }
  LoadedAdapter out = collected(model, family_, longest());
  out.card->task = task_.task;
  out.card->labels = data_.task.regression ? std::vector<std::string>{} : data_.task.labels;
  out.card->problem_type = data_.task.problem_type;
  if (prompted()) {
    out.card->prompt_template = prompt_text_.text;
    out.card->label_words = prompt_text_.words;
  }
  write_adapter_files(into.string(), std::move(out));
  copy_tokenizer_files(tokenizer_at_, into.string());
}

// --- pretraining

void RobertaPretraining::read_config(const std::string& json, const std::string& file) {
  config_ = RobertaConfig::from_json(json, file);
  say(config_.notes);
  config_.source.clear();  // a new model says all of itself
  config_.vocab_size = tokenizer->vocab_size();
  config_.bos_token_id = tokenizer->special().cls;
  config_.eos_token_id = tokenizer->special().sep;
  config_.pad_token_id = tokenizer->special().pad;
  random_std = config_.initializer_range;
}

std::string RobertaPretraining::config_json() const {
  RobertaConfig written = config_;
  written.architectures = {std::string(config_.kind().class_names) + "ForMaskedLM"};
  return written.to_json();
}

void RobertaPretraining::load(const Wanted&) {
  const int64_t length = std::min(splits.max_length, config_.max_tokens());
  std::vector<std::vector<int32_t>> dev;
  if (!splits.dev.empty()) dev = read_sequences(*tokenizer, {splits.dev}, length, line_by_line_);
  objective_ = std::make_unique<MaskedLm>(*tokenizer, read_sequences(*tokenizer, text_, length, line_by_line_),
                                          std::move(dev), static_cast<uint64_t>(system.seed));
}

std::unique_ptr<nn::Model> RobertaPretraining::new_model(bool) const {
  auto model = std::make_unique<Roberta>(config_, RobertaHead::masked_lm);
  model->train([](const std::string&) { return true; });
  return model;
}

Family roberta_app() {
  return {
      .about =
          "Classify texts: fine-tune RoBERTa, BERT, DistilBERT and decoders with LoRA, EFlat-LoRA and their relatives",
      .help = {{"finetune", "Train an adapter (or all weights) on a classification or regression task"},
               {"pretrain", "Masked language modelling from scratch on text files"},
               {"predict", "Label texts: one JSON object per line on stdout"}},
      .hub = [](const std::string& of) { return text_config_of(of)->classifier_family(); },
      .session = [] { return std::make_unique<RobertaSession>(); },
      .pretraining = [] { return std::make_unique<RobertaPretraining>(); },
      .bench = roberta_bench};
}

}  // namespace lowland::apps
