#include "apps/common/inspect.h"

#include <cstdio>

#include "apps/common/flags.h"
#include "apps/common/progress.h"
#include "apps/common/training_run.h"
#include "apps/roberta/session.h"
#include "apps/roberta/verbs.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

void show_example(const Session& session, const Example& e, const std::vector<int32_t>& ids, int64_t row) {
  const TaskInfo& task = session.data.task;
  std::printf("\n%s:%lld  label %s\n", session.data.train.file.c_str(), static_cast<long long>(e.line),
              task.regression ? fmt::format("{}", e.score).c_str() : e.label_name.c_str());
  print_rows_head(row, row + static_cast<int64_t>(ids.size()));
  for (size_t i = 0; i < ids.size(); ++i)  // the head reads the first row
    print_row(static_cast<int64_t>(i), ids[i], i == 0, session.tokenizer->piece(ids[i]));
}

void inspect(Settings given, int64_t show) {
  check_training_settings(given);
  Session session(std::move(given));
  LoadOptions load;
  load.dev_fraction = session.settings.dev_fraction;
  load.seed = static_cast<uint64_t>(session.settings.seed);
  session.load_data(load);
  session.model = session.new_model(session.settings, true);
  const ClassificationWorkload workload(*session.model, *session.tokenizer, session.data, session.settings);
  int64_t row = 0, number = 0;
  for (const std::vector<int32_t>& ids : workload.train().ids) {
    if (number < show) show_example(session, session.data.train.examples[static_cast<size_t>(number)], ids, row);
    row += static_cast<int64_t>(ids.size());
    ++number;
  }
  std::printf("\n%s training examples, %s rows\n", thousands(number).c_str(), thousands(row).c_str());
  const size_t free_bytes = session.context->memory().free_bytes();
  const auto make = [&](const Settings& s) { return session.new_model(s, true); };
  print_model(*session.model, plan_memory(workload.plan_input(make), session.settings, *session.context, free_bytes),
              free_bytes);
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  auto show = std::make_shared<int64_t>(3);
  CLI::App* verb =
      app.add_subcommand("inspect", "Show examples as the model sees them, adapted modules and memory; train nothing");
  const OptionBinder bind{*verb};
  bind("show", *show, "Examples to show");
  visit_input(*settings, bind);
  visit_data(*settings, bind);
  visit_lora(*settings, bind);
  visit_method(*settings, bind);
  visit_step_size(*settings, bind);
  visit_system(*settings, bind);
  verb->callback([settings, show] { inspect(*settings, *show); });
}

}  // namespace lowland::apps
