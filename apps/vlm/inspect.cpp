#include "apps/common/inspect.h"

#include <cstdio>

#include "apps/common/flags.h"
#include "apps/common/progress.h"
#include "apps/common/training_run.h"
#include "apps/vlm/verbs.h"
#include "apps/vlm/vlm_workload.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

// As lowland-llama shows an example, but the rows of an image are one line with its file.
void show_example(const VlmSession& session, const LanguageExample& e, const Question& question, int64_t row) {
  const auto rows = static_cast<int64_t>(e.ids.size()) - 1;
  std::printf("\n%s, %lld of %zu tokens learnt\n", question.where.c_str(), static_cast<long long>(e.targets()),
              e.ids.size());
  print_rows_head(row, row + rows);
  size_t images = 0;
  for (int64_t i = 0; i <= rows; ++i) {
    const auto at = static_cast<size_t>(i);
    if (e.ids[at] == session.config.image_token_id) {
      const int64_t last = i + session.config.image_tokens() - 1;
      print_rows(i, last, e.ids[at], fmt::format("{} {}", kImageText, question.images[images++]));
      i = last;
    } else {
      print_row(i < rows ? i : -1, e.ids[at], e.learn[at] != 0, session.tokenizer->piece(e.ids[at]));
    }
  }
}

void inspect(Settings given, int64_t show) {
  check_training_settings(given);
  VlmSession session(std::move(given));
  Pictures pictures(session.image_settings, session.context->threads());
  VlmData data = load_vlm_data(session, pictures, true, false, false);
  session.model = session.new_model(session.settings, true);
  const VlmWorkload workload(*session.model, pictures, std::move(data.train), {}, session.settings);
  const VlmSplit& train = workload.train();
  int64_t row = 0, number = 0;
  for (const LanguageExample& e : train.text.examples) {
    if (number < show) show_example(session, e, train.questions[static_cast<size_t>(number)], row);
    row += static_cast<int64_t>(e.ids.size()) - 1;
    ++number;
  }
  std::printf("\n%s training examples about %s pictures of %lld rows, %s rows, %s of them with a target\n",
              thousands(number).c_str(), thousands(pictures.size()).c_str(),
              static_cast<long long>(session.config.image_tokens()), thousands(row).c_str(),
              thousands(train.text.targets()).c_str());
  const size_t free_bytes = session.context->memory().free_bytes();
  const PlanInput input = workload.plan_input([&](const Settings& s) { return session.new_model(s, true); },
                                              compute_dtype(session.settings, *session.context));
  print_model(*session.model, plan_memory(input, session.settings, *session.context, free_bytes), free_bytes);
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  settings->max_length = 1024;
  auto show = std::make_shared<int64_t>(3);
  CLI::App* verb =
      app.add_subcommand("inspect", "Show examples as the model sees them, adapted modules and memory; train nothing");
  const OptionBinder bind{*verb};
  bind("show", *show, "Examples to show");
  visit_input(*settings, bind);
  bind("tokenizer", settings->tokenizer, "Tokenizer, where it is not in the model's folder");
  visit_vision_data(*settings, bind);
  visit_vision(*settings, bind);
  visit_vision_training(*settings, bind);
  visit_lora(*settings, bind);
  visit_method(*settings, bind);
  visit_step_size(*settings, bind);
  visit_system(*settings, bind);
  verb->callback([settings, show] { inspect(*settings, *show); });
}

}  // namespace lowland::apps
