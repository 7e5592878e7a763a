#include <cstdio>

#include "apps/common/flags.h"
#include "apps/vlm/answers.h"
#include "apps/vlm/verbs.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

// One JSON object per question, in their order.
void predict(Settings settings, const std::string& input, const SamplingFlags& sampling) {
  LL_CHECK(!input.empty(), "--input names the questions (.jsonl), and is missing");
  LL_CHECK(settings.batch_size >= 1, "--batch-size must be at least 1, got {}", settings.batch_size);
  VlmSession session(std::move(settings));
  Pictures pictures(session.image_settings, session.context->threads());
  const VlmExampleMaker maker(session, pictures);
  session.settings.test_file = input;
  VlmSplit split;
  split.questions = load_questions("vqa", question_options(session, false, false, true)).test.questions;
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
    o["index"] = i;
    if (!q.id.empty()) o["id"] = q.id;
    o["answer"] = answer;
    std::printf("%s\n", o.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  });
}

}  // namespace

void add_predict(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  auto input = std::make_shared<std::string>();
  auto sampling = std::make_shared<SamplingFlags>();
  CLI::App* verb = app.add_subcommand("predict", "Answers to the questions of a file, as JSON lines");
  const OptionBinder bind{*verb};
  visit_input(*settings, bind);
  bind("tokenizer", settings->tokenizer, "Tokenizer, where it is not in the model's folder");
  bind("input", *input, "Questions, .jsonl: image, question");
  visit_vision(*settings, bind);
  bind_sampling(bind, *sampling);
  bind("batch-size,batch", settings->batch_size, "Questions at a time");
  visit_system(*settings, bind);
  verb->callback([settings, input, sampling] { predict(*settings, *input, *sampling); });
}

}  // namespace lowland::apps
