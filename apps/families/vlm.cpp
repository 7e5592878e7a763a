#include "apps/families/vlm.h"

#include <algorithm>
#include <cstdio>

#include "apps/common/progress.h"
#include "apps/data/question_files.h"
#include "apps/families/family.h"
#include "apps/families/print_rows.h"
#include "engine/error.h"
#include "models/decoder/tied_head.h"
#include "models/hub/hub_folder.h"
#include "models/hub/write_model.h"
#include "models/vlm/load_weights.h"
#include "models/vlm/names.h"

namespace lowland::apps {
namespace fs = std::filesystem;
namespace {

bool within(const std::string& name, const char* part) { return name.starts_with(std::string(part) + "."); }

bool pairs_in(const LoadedAdapter& adapter, const char* part) {
  return std::any_of(adapter.modules.begin(), adapter.modules.end(),
                     [&](const LoraFactors& f) { return within(f.module, part); });
}

VlmPart part_of(const std::string& word) {
  return word == "full" ? VlmPart::full : word == "lora" ? VlmPart::lora : VlmPart::frozen;
}

// The processor's pictures must be what the tower takes.
void check_picture_size(const ImageSettings& images, int64_t side, const std::string& folder) {
  const ImageProcessor processor(images);
  LL_CHECK(processor.height() == side && processor.width() == side,
           "the image processor of {} makes pictures of {} x {} pixels, the vision tower takes {} x {}", folder,
           processor.width(), processor.height(), side, side);
}

}  // namespace

VlmSession::VlmSession() {
  splits.max_length = 1024;
  narrow_weights = token_budget = true;
  rho_help =
      "Radius of the perturbation. For LLaVA-1.5 the EFlat-LoRA paper finds 0.2 best on ScienceQA and 0.05 on VizWiz";
}

void VlmSession::add_flags(Flags& f, Verb verb) {
  f.group("Data");
  if (verb == Verb::chat) {
    f.add_positional("image", &images_, "Image files");
    return questions_.add_prompt_style(f);
  }
  base.add_tokenizer(f, verb == Verb::pretrain ? "language model's" : "model's");
  if (verb == Verb::predict) {
    f.add("input", &input_, "Questions, .jsonl: image, question; or another file of the run's --task");
    f.add("task", &questions_.task,
          "vqa, vizwiz, llava or captions, as the questions are asked; unless told, as the run's");
    f.add("data", &questions_.data,
          "Folder of task scienceqa or vizwiz, whose --split is answered where there is no --input");
    f.add("split", &split_, "Of --data or the run's: train, dev or test");
    questions_.add_columns(f);
    f.add("keep-columns", &keep_, "question: write it beside the answer");
  } else {
    questions_.add_data_flags(f, splits);
  }
  questions_.add_flags(f, batch);
  if (verb == Verb::finetune || verb == Verb::probe || verb == Verb::inspect) vision_.add_flags(f);
  if (verb == Verb::predict) sampling_.add_flags(f);
  if (verb != Verb::evaluate) return;
  f.add("shuffle-images", &scores_.shuffle_images,
        "Show each question another one's image: right is then what was guessed");
  f.add("choose", &scores_.choose, "Multiple choice: generate a letter, or take the choice of the best likelihood");
  f.add("loss", &scores_.loss, "Also the loss per token of the answers");
  f.add("max-new-tokens", &scores_.max_new_tokens,
        "The most tokens of an answer (0: 32, and 512 for --scienceqa-format lecture)");
}

void VlmSession::check() const {
  Session::check();
  questions_.check();
  vision_.check();
  check_word("keep-columns", keep_, {"", "question"});
  check_word("choose", scores_.choose, {"generate", "likelihood"});
}

void VlmSession::open(const Flags& flags) {
  if (questions_.task.empty()) questions_.task = "vqa";
  if (base.model.empty() && !parts_.vision_model.empty()) {
    open_parts();
  } else {
    open_folder();
  }
  random_std = config_.text.initializer_range;
  tokenizer->limit_to(config_.text.vocab_size);
  for (const std::string& note : tokenizer->notes()) say(note);
  take_adapter(flags, family());
  if (adapter) fit_to_adapter(config_.text, *adapter, kVlmEmbedding);
  if (adapter) take_parts_of_adapter(flags);
  prompt_ = image_prompt_of(questions_.prompt_style);
  check_picture_size(image_settings_, config_.vision.image_size, from_parts() ? vision_folder_ : folder);
  if (flags.has("input")) sampling_.take(GenerationConfig::from_folder(folder), flags);
  if (!context) context = system.make_context();
  pictures_ = std::make_unique<Pictures>(image_settings_, context->threads());
  pictures_->cache_in(questions_.cache_features);
}

void VlmSession::open_folder() {
  LL_CHECK(!base.model.empty(), "--model names the base checkpoint, and is missing");
  folder = resolve_model_folder(base.model);
  config_ = VlmConfig::from_folder(folder);
  const std::string untied = settle_tied_head(config_.text, folder, "", new_vlm_name, kVlmEmbedding);
  if (!untied.empty()) say(untied);
  tokenizer_at_ = !base.tokenizer.empty() ? base.tokenizer : has_tokenizer(base.adapter) ? base.adapter : folder;
  tokenizer = load_tokenizer(tokenizer_at_);
  image_settings_ = ImageSettings::from_folder(folder);
  say(config_.notes);
  say(image_settings_.notes);
}

// A base of a tower and a language model, to which the projector is new.
void VlmSession::open_parts() {
  LL_CHECK(!parts_.language_model.empty(), "--language-model names the language model, and is missing");
  folder = resolve_model_folder(parts_.language_model);
  vision_folder_ = resolve_model_folder(parts_.vision_model);
  config_.vision = VitConfig::from_folder(vision_folder_);
  config_.vision.labels.clear();
  config_.text = LlamaConfig::from_folder(folder);
  tokenizer = load_tokenizer(base.tokenizer.empty() ? folder : base.tokenizer);
  image_settings_ = ImageSettings::from_folder(vision_folder_);
  for (const auto* notes : {&config_.vision.notes, &config_.text.notes, &image_settings_.notes}) say(*notes);
  config_.image_token_id = tokenizer->id_of(kImageText);
  if (config_.image_token_id < 0)
    config_.image_token_id = std::max<int64_t>(config_.text.vocab_size, tokenizer->vocab_size());
  config_.text.vocab_size = std::max(config_.text.vocab_size, config_.image_token_id + 1);
  config_.text.architectures.clear();
}

// What the adapter was made with; a flag that says otherwise is an Error.
void VlmSession::take_parts_of_adapter(const Flags& flags) {
  const auto take = [&](const char* flag, std::string& field, const std::string& made_with) {
    LL_CHECK(!flags.given(flag) || field == made_with, "--{} {}: the adapter {} was made with --{} {}", flag, field,
             base.adapter, flag, made_with);
    field = made_with;
  };
  std::string tower = pairs_in(*adapter, kVlmTower) ? "lora" : "frozen";
  std::string projector = pairs_in(*adapter, kVlmProjector) ? "lora" : "frozen";
  for (const std::string& module : adapter->config.modules_to_save) {
    if (module.ends_with("vision_tower")) tower = "full";
    if (module.ends_with("multi_modal_projector")) projector = "full";
  }
  if (card() != nullptr && !card()->prompt_style.empty())
    take("prompt-style", questions_.prompt_style, card()->prompt_style);
  take("projector", vision_.projector, projector);
  take("tower", vision_.tower, tower);
}

HubFamily VlmSession::family() const {
  return lowland::vlm_family(
      {.tower = part_of(vision_.tower), .projector = part_of(vision_.projector), .old_names = vision_.old_names},
      config_);
}

QuestionOptions VlmSession::question_options(const Wanted& wanted) const {
  QuestionOptions o;
  o.train = wanted.train;
  o.dev = wanted.dev;
  o.test = wanted.test;
  o.data = questions_.data;
  o.train_files = splits.train;
  o.dev_file = splits.dev;
  o.test_file = splits.test;
  o.images = questions_.image_dir;
  o.columns = Columns(questions_.columns, question_columns());
  if (!questions_.instruction.empty()) o.instruction = questions_.instruction;
  o.scienceqa = questions_.scienceqa_format == "letter" ? ScienceQaFormat::letter : ScienceQaFormat::lecture;
  o.dev_fraction = splits.dev_fraction;
  o.seed = static_cast<uint64_t>(system.seed);
  o.max_train_samples = splits.max_train_samples;
  o.max_eval_samples = splits.max_eval_samples;
  o.skip_bad_images = questions_.skip_bad_images;
  o.threads = context->threads();
  return o;
}

void VlmSession::load(const Wanted& wanted) {
  const QuestionMaker maker(format(), *pictures_);
  QuestionSet set = load_questions(questions_.task, question_options(wanted));
  VlmData data;
  data.metric = set.metric;
  const auto make = [&](DataSplit split, QuestionSplit& from) {
    if (from.questions.empty()) return;
    LL_CHECK(from.labelled(), "the {} questions have no answers: predict takes them", name_of(split));
    if (wanted.scoring && splits.max_eval_samples > 0)
      from.questions.resize(std::min<size_t>(from.questions.size(), splits.max_eval_samples));
    data.of(split) = maker.make_split(std::move(from.questions));
    say_split(name_of(split), data.of(split).text, longest());
    if (from.skipped > 0) say(fmt::format("{}: left out: {}", name_of(split), from.skip_reason));
  };
  make(DataSplit::train, set.train);
  make(DataSplit::dev, set.dev);
  make(DataSplit::test, set.test);
  objective_ = std::make_unique<Questions>(std::move(data), *pictures_, label_smoothing);
}

bool VlmSession::trains_whole(const std::string& name) const {
  if (within(name, kVlmTower)) return vision_.tower == "full";
  if (within(name, kVlmProjector)) return vision_.projector == "full" || method.full();
  return method.full();
}

std::unique_ptr<nn::Model> VlmSession::new_model(bool for_training) const {
  auto model = std::make_unique<Vlm>(config_);
  if (!method.full() || adapter) {
    choose_trained(*model, family(), for_training);
  } else if (for_training) {
    model->train([&](const std::string& name) { return trains_whole(name) && model->reads(name); });
  }
  return model;
}

void VlmSession::fill(nn::Model& model) {
  auto& vlm = static_cast<Vlm&>(model);
  const auto seed = static_cast<uint64_t>(system.seed);
  if (base.random_init) {
    fill_at_random(model);
  } else if (from_parts()) {
    load_parts(vlm, vision_folder_, folder, seed);
  } else {
    WeightMap weights = open_weights(folder, family());
    base_model_ = base_of(weights, base.base_model_name);
    if (adapter) check_base(*adapter, base_model_);
    const std::string unused = load_weights(vlm, weights, seed, adapter ? &*adapter : nullptr);
    if (!unused.empty()) say(unused);
    if (adapter) fill_adapter(model, *adapter);
  }
  pictures_->open_cache(vlm);
}

void VlmSession::finish() {
  if (pictures_) pictures_->flush();
}

// A folder for transformers: weights in the spelling that every version reads.
void VlmSession::write_folder(const nn::Model& model, const fs::path& into) const {
  VlmConfig written = config_;
  written.dtype = "float32";
  std::vector<std::pair<std::string, Tensor>> tensors = model.parameters().named();
  for (auto& [name, tensor] : tensors) name = old_vlm_name(name);
  write_model_files(into.string(), written.to_json(), tensors);
  if (from_parts()) copy_companion_files(vision_folder_, into.string());
  copy_companion_files(folder, into.string());
  if (from_parts()) add_image_token(into, config_);
}

void VlmSession::write(const nn::Model& model, const fs::path& into) const {
  if (method.full()) return write_folder(model, into);
  LoadedAdapter out = collected(model, family(), longest());
  out.card->prompt_style = questions_.prompt_style;
  write_adapter_files(into.string(), std::move(out));
  if (fs::is_directory(tokenizer_at_)) copy_tokenizer_files(tokenizer_at_, into.string());
  copy_processor_files(folder, into.string());
}

// As lowland-llama shows an example, but the rows of an image are one line with its file.
void VlmSession::print_example(int64_t index, int64_t first_row) const {
  const VlmSplit& train = objective_->split(DataSplit::train);
  const LanguageExample& e = train.text.examples[index];
  const Question& question = train.questions[index];
  const int64_t rows = rows_of(static_cast<int64_t>(e.ids.size()));
  std::printf("\n%s, %lld of %zu tokens learnt\n", question.where.c_str(), static_cast<long long>(e.targets()),
              e.ids.size());
  print_rows_head(first_row, first_row + rows);
  size_t images = 0;
  for (int64_t i = 0; i <= rows; ++i) {
    if (e.ids[i] == config_.image_token_id) {
      const int64_t last = i + config_.image_tokens() - 1;
      print_rows(i, last, e.ids[i], fmt::format("{} {}", kImageText, question.images[images++]));
      i = last;
    } else {
      print_row(i < rows ? i : -1, e.ids[i], e.learn[i] != 0, tokenizer->piece(e.ids[i]));
    }
  }
}

std::string VlmSession::example_summary(int64_t rows) const {
  const VlmSplit& train = objective_->split(DataSplit::train);
  return fmt::format("{} training examples about {} pictures of {} rows, {} rows, {} of them with a target",
                     thousands(static_cast<int64_t>(train.size())), thousands(pictures_->size()),
                     config_.image_tokens(), thousands(rows), thousands(train.text.targets()));
}

Family vlm_app() {
  return {.about = "Fine-tune vision-language models with LoRA, EFlat-LoRA and their relatives",
          .help = {{"finetune", "Train an adapter (or all weights) on questions about images"},
                   {"pretrain",
                    "A vision tower on pictures by class, or the projector between a tower and a language model"},
                   {"evaluate",
                    "Scores of a model's or adapter's answers, and what the question alone would give, as JSON"},
                   {"predict", "Answers to the questions of a file, as JSON lines"},
                   {"chat", "Answers on stdout to what stdin says about images, a line a turn"}},
          .hub = [](const std::string&) { return lowland::vlm_family(); },
          .session = [] { return std::make_unique<VlmSession>(); },
          .pretraining = [] { return std::make_unique<ProjectorPretraining>(); },
          .bench = vlm_bench};
}

}  // namespace lowland::apps
