#include <cstdio>

#include "apps/common/flags.h"
#include "apps/metrics/answer_scores.h"
#include "apps/vlm/answers.h"
#include "apps/vlm/verbs.h"
#include "apps/vlm/vlm_workload.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

struct EvaluateFlags {
  bool shuffle_images = false, loss = false;
  std::string choose = "generate";
  int64_t max_new_tokens = 0;
};

// What the answers of the training questions alone would give; nothing without training questions.
void add_question_only(const VlmSession& session, const VlmSplit& split, nlohmann::ordered_json& out) {
  const Settings& s = session.settings;
  if (s.train_files.empty() && s.data.empty()) return;
  QuestionOptions options = question_options(session, true, false, false);
  options.dev_fraction = 0;
  options.max_train_samples = 0;
  options.skip_bad_images = false;
  const QuestionSet set = load_questions(s.task, options);
  out["eval_question_only"] = question_only_accuracy(split.questions, set.train.questions);
}

// Scores of a split's answers, as they come.
class Scores {
 public:
  explicit Scores(const VlmSplit& split) : split_(split) {}

  void add(size_t i, const std::string& answer) {
    const Question& q = split_.questions[i];
    right_ += exact_match(answer, q.answers) ? 1 : 0;
    if (q.answers.size() > 1) {
      vqa_ += vqa_accuracy(answer, q.answers);
      ++several_;
    }
    if (q.choices.empty()) return;
    const auto choices = static_cast<int64_t>(q.choices.size());
    const int64_t by_text = choice_by_text(answer, q.choices);
    add_choice(i, by_text >= 0 ? by_text : choice_by_letter(answer, choices));
  }
  void add_choice(size_t i, int64_t chosen) {
    choices_.add(chosen, split_.questions[i].choice, split_.questions[i].groups);
    ++chosen_;
  }
  void print_into(nlohmann::ordered_json& out, bool generated) const {
    if (generated) out["eval_exact_match"] = static_cast<double>(right_) / static_cast<double>(split_.size());
    if (several_ > 0) out["eval_vqa_accuracy"] = vqa_ / static_cast<double>(several_);
    if (chosen_ == 0) return;
    for (const Metric& m : choices_.metrics())
      out["eval_" + m.name] = m.value ? nlohmann::ordered_json(*m.value) : nlohmann::ordered_json(nullptr);
    out["eval_unparsed"] = choices_.unparsed();
  }

 private:
  const VlmSplit& split_;
  int64_t right_ = 0, several_ = 0, chosen_ = 0;
  double vqa_ = 0;
  ChoiceScore choices_;
};

void score(const VlmSession& session, Pictures& pictures, const VlmSplit& split, const EvaluateFlags& flags,
           nlohmann::ordered_json& out) {
  Scores scores(split);
  if (flags.choose == "likelihood") {
    for (size_t i = 0; i < split.size(); ++i) {
      LL_CHECK(!split.questions[i].choices.empty(), "{}: --choose likelihood needs choices", split.questions[i].where);
      scores.add_choice(i, likeliest_choice(session, pictures, split, i));
    }
  } else {
    SamplingFlags sampling;
    sampling.max_new_tokens = flags.max_new_tokens;
    const GenerateOptions options =
        generate_options(session.config.text, *session.tokenizer, session.settings.seed, sampling);
    answer_questions(session, pictures, split, options,
                     [&](size_t i, const std::string& answer) { scores.add(i, answer); });
  }
  scores.print_into(out, flags.choose == "generate");
}

void evaluate(Settings settings, EvaluateFlags flags) {
  const std::string split = settings.split;
  LL_CHECK(split == "train" || split == "dev" || split == "test", "--split must be train, dev or test, got {}", split);
  LL_CHECK(settings.batch_size >= 1, "--batch-size must be at least 1, got {}", settings.batch_size);
  LL_CHECK(flags.choose == "generate" || flags.choose == "likelihood",
           "--choose must be generate or likelihood, got {}", flags.choose);
  VlmSession session(std::move(settings));
  if (flags.max_new_tokens == 0) flags.max_new_tokens = session.settings.scienceqa_format == "lecture" ? 512 : 32;
  Pictures pictures(session.image_settings, session.context->threads());
  VlmData data = load_vlm_data(session, pictures, split == "train", split == "dev", split == "test");
  VlmSplit& chosen = split == "train" ? data.train : split == "dev" ? data.dev : data.test;
  LL_CHECK(chosen.size() > 0, "the {} split holds no example", split);
  if (flags.shuffle_images)
    LL_CHECK(shuffle_pictures(chosen, static_cast<uint64_t>(session.settings.seed)) > 0,
             "--shuffle-images: the {} split has no two questions with different images", split);
  session.build_model(false);
  if (!session.settings.cache_features.empty())
    pictures.cache_features(session.settings.cache_features, *session.model);
  nlohmann::ordered_json out;
  const bool loss_only = data.metric == "loss";
  if (flags.loss || loss_only) out = evaluate_questions(*session.model, pictures, chosen, session.settings).metrics;
  if (!loss_only) {
    score(session, pictures, chosen, flags, out);
    add_question_only(session, chosen, out);
  }
  out["eval_examples"] = chosen.size();
  if (chosen.text.dropped > 0) out["eval_dropped"] = chosen.text.dropped;  // longer than the model takes
  if (flags.shuffle_images) out["shuffled_images"] = true;
  pictures.flush();
  std::printf("%s\n", out.dump(2).c_str());
}

}  // namespace

void add_evaluate(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  auto flags = std::make_shared<EvaluateFlags>();
  settings->max_length = 1024;
  CLI::App* verb = app.add_subcommand(
      "evaluate", "Scores of a model's or adapter's answers, and what the question alone would give, as JSON");
  const OptionBinder bind{*verb};
  visit_input(*settings, bind);
  bind("tokenizer", settings->tokenizer, "Tokenizer, where it is not in the model's folder");
  visit_vision_data(*settings, bind);
  visit_vision(*settings, bind);
  bind("split", settings->split, "train, dev or test");
  bind("shuffle-images", flags->shuffle_images,
       "Show each question another one's image: right is then what was guessed");
  bind("choose", flags->choose, "Multiple choice: generate a letter, or take the choice of the best likelihood");
  bind("loss", flags->loss, "Also the loss per token of the answers");
  bind("max-new-tokens", flags->max_new_tokens,
       "The most tokens of an answer (0: 32, and 512 for --scienceqa-format lecture)");
  bind("batch-size,batch", settings->batch_size, "Questions at a time");
  visit_system(*settings, bind);
  verb->callback([settings, flags] { evaluate(*settings, *flags); });
}

}  // namespace lowland::apps
