#include "apps/common/inspect.h"

#include <cstdio>

#include "apps/common/flags.h"
#include "apps/common/progress.h"
#include "apps/common/training_run.h"
#include "apps/llama/language_data.h"
#include "apps/llama/language_workload.h"
#include "apps/llama/verbs.h"

namespace lowland::apps {
namespace {

// Each row reads its id and learns the next one: the last id of an example is a target only.
void show_example(const Tokenizer& tokenizer, const LanguageExample& e, int64_t number, int64_t row) {
  const auto rows = static_cast<int64_t>(e.ids.size()) - 1;
  std::printf("\nexample %lld, %lld of %zu tokens learnt\n", static_cast<long long>(number),
              static_cast<long long>(e.targets()), e.ids.size());
  print_rows_head(row, row + rows);
  for (int64_t i = 0; i <= rows; ++i) {
    const auto at = static_cast<size_t>(i);
    print_row(i < rows ? i : -1, e.ids[at], e.learn[at] != 0, tokenizer.piece(e.ids[at]));
  }
}

void inspect(Settings given, int64_t show) {
  check_training_settings(given);
  Session session(std::move(given));
  LanguageData data = load_language_data(session, {});
  session.model = session.new_model(session.settings, true);
  const LanguageWorkload workload(*session.model, std::move(data.train), {}, session.settings);
  int64_t row = 0, number = 0;
  for (const LanguageExample& e : workload.train().examples) {
    if (number < show) show_example(*session.tokenizer, e, number, row);
    row += static_cast<int64_t>(e.ids.size()) - 1;
    ++number;
  }
  std::printf("\n%s training examples, %s rows, %s of them with a target\n", thousands(number).c_str(),
              thousands(row).c_str(), thousands(workload.train().targets()).c_str());
  const size_t free_bytes = session.context->memory().free_bytes();
  const auto make = [&](const Settings& s) { return session.new_model(s, true); };
  print_model(*session.model, plan_memory(workload.plan_input(make), session.settings, *session.context, free_bytes),
              free_bytes);
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
  visit_language_data(*settings, bind);
  visit_language(*settings, bind);
  visit_lora(*settings, bind);
  visit_method(*settings, bind);
  visit_step_size(*settings, bind);
  visit_system(*settings, bind);
  verb->callback([settings, show] { inspect(*settings, *show); });
}

}  // namespace lowland::apps
