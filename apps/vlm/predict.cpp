#include <cstdio>
#include <filesystem>

#include "apps/common/flags.h"
#include "apps/common/progress.h"
#include "apps/vlm/answers.h"
#include "apps/vlm/verbs.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

namespace fs = std::filesystem;

// Of --input, or of the run's or --data's split.
std::vector<Question> read_input(const VlmSession& session, const std::string& input) {
  const Settings& s = session.settings;
  LL_CHECK(!input.empty() || !s.data.empty(), "--input names the questions, and is missing");
  const std::string& split = s.split;
  LL_CHECK(split == "train" || split == "dev" || split == "test", "--split must be train, dev or test, got {}", split);
  const QuestionOptions options = question_options(session, split == "train", split == "dev", split == "test");
  QuestionSplit questions;
  if (!input.empty()) {
    questions = load_question_file(s.task, input, options);
  } else {
    QuestionSet set = load_questions(s.task, options);
    questions = std::move(split == "train" ? set.train : split == "dev" ? set.dev : set.test);
  }
  if (questions.skipped > 0) say("left out: " + questions.skip_reason);
  return std::move(questions.questions);
}

// One JSON object per question, in their order.
void predict(Settings settings, const std::string& input, const SamplingFlags& sampling) {
  LL_CHECK(settings.batch_size >= 1, "--batch-size must be at least 1, got {}", settings.batch_size);
  VlmSession session(std::move(settings));
  Pictures pictures(session.image_settings, session.context->threads());
  const VlmExampleMaker maker(session, pictures);
  VlmSplit split;
  split.questions = read_input(session, input);
  for (const Question& q : split.questions) {
    split.pictures.push_back(maker.pictures_of(q));
    maker.prompt(q);  // refused now, if it is too long
  }
  const GenerateOptions options =
      generate_options(session.config.text, *session.tokenizer, session.settings.seed, sampling);
  session.build_model(false);
  answer_questions(session, pictures, split, options, [&](size_t i, const std::string& answer) {
    const Question& q = split.questions[i];
    nlohmann::ordered_json o;
    o["index"] = q.index;
    if (!q.id.empty()) o["id"] = q.id;
    if (!q.images.empty()) o["image"] = fs::path(q.images.front()).filename().string();
    o["answer"] = answer;
    std::printf("%s\n", o.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  });
}

}  // namespace

void add_predict(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  auto input = std::make_shared<std::string>();
  auto sampling = std::make_shared<SamplingFlags>();
  settings->split = "test";
  CLI::App* verb = app.add_subcommand("predict", "Answers to the questions of a file, as JSON lines");
  const OptionBinder bind{*verb};
  visit_input(*settings, bind);
  bind("tokenizer", settings->tokenizer, "Tokenizer, where it is not in the model's folder");
  bind("input", *input, "Questions, .jsonl: image, question; or another file of the run's --task");
  bind("task", settings->task, "vqa, vizwiz, llava or captions, as the questions are asked; unless told, as the run's");
  bind("data", settings->data,
       "Folder of task scienceqa or vizwiz, whose --split is answered where there is no --input");
  bind("split", settings->split, "Of --data or the run's: train, dev or test");
  visit_vision(*settings, bind);
  bind_sampling(bind, *sampling);
  bind("batch-size,batch", settings->batch_size, "Questions at a time");
  visit_system(*settings, bind);
  verb->callback([settings, input, sampling] { predict(*settings, *input, *sampling); });
}

}  // namespace lowland::apps
