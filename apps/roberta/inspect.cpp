#include <unistd.h>

#include <cstdio>

#include "apps/common/flags.h"
#include "apps/common/progress.h"
#include "apps/roberta/session.h"
#include "apps/roberta/verbs.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

// Green: the row whose output the head reads, and which therefore carries the loss.
std::string coloured(const std::string& text, bool carries_loss) {
  if (!carries_loss || isatty(STDOUT_FILENO) == 0) return text;
  return "\033[32m" + text + "\033[0m";
}

void show_example(const Session& session, const Example& e, const std::vector<int32_t>& ids, int64_t row) {
  const TaskInfo& task = session.data.task;
  std::printf("\n%s:%lld  label %s\n", session.data.train.file.c_str(), static_cast<long long>(e.line),
              task.regression ? fmt::format("{}", e.score).c_str() : e.label_name.c_str());
  std::printf("rows [%lld, %lld)\n  position       id  loss  piece\n", static_cast<long long>(row),
              static_cast<long long>(row) + static_cast<long long>(ids.size()));
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string line = fmt::format("{:>10} {:>8}  {:<4}  {}", i, ids[i], i == 0 ? "yes" : "",
                                         session.tokenizer->piece(ids[i]));
    std::printf("%s\n", coloured(line, i == 0).c_str());
  }
}

// Peak bytes of a LoRA step, by part: what the ops save for the backward pass (their files say so), in f32.
std::string predicted_memory(const Session& session, int64_t rows) {
  const RobertaConfig& c = session.config;
  const nn::Model& model = *session.model;
  const int64_t C = c.hidden_size, F = c.intermediate_size, L = c.num_hidden_layers;
  const bool full = session.settings.method == "full";
  const int64_t trained = model.trainable_count(), frozen = model.total_count() - trained;
  // Per row: x of q|k|v, q|k|v, attention's output, two sums before a norm, gelu's input; full also keeps gelu's output
  // and the first norm's output for dW.
  const int64_t per_row = 7 * C + F + c.num_attention_heads + (full ? C + F : 0);
  const bool recompute = session.settings.recompute == "block";
  const int64_t kept = recompute ? L * C + per_row : (L - 1) * per_row;
  const int64_t transient = 2 * F + 2 * C;
  const auto bytes = [](int64_t n) { return bytes_text(static_cast<size_t>(4 * n)); };
  return fmt::format("weights {}, trained with gradient and optimizer {}, activations {} for {} rows: {} at peak",
                     bytes(frozen), bytes(4 * trained), bytes((kept + transient) * rows), thousands(rows),
                     bytes(frozen + 4 * trained + (kept + transient) * rows));
}

void inspect(Settings settings, int64_t show) {
  Session session(std::move(settings));
  LoadOptions load;
  load.dev_fraction = session.settings.dev_fraction;
  load.seed = static_cast<uint64_t>(session.settings.seed);
  session.load_data(load);
  session.build_model(true);
  const Settings& s = session.settings;
  const TokenizedSplit train = tokenize(*session.tokenizer, session.data.train.examples, longest(s, *session.model));
  int64_t row = 0, tokens = 0, most = 0;
  for (size_t i = 0; i < train.ids.size(); ++i) {
    if (static_cast<int64_t>(i) < show) show_example(session, session.data.train.examples[i], train.ids[i], row);
    row += static_cast<int64_t>(train.ids[i].size());
  }
  const BatchPlan plan(train.lengths(), {s.batch_size, s.grad_accum, static_cast<uint64_t>(s.seed), true});
  for (const MicroBatch& m : plan.epoch(0)) {
    tokens = 0;
    for (const int64_t e : m.examples) tokens += static_cast<int64_t>(train.ids[static_cast<size_t>(e)].size());
    most = std::max(most, tokens);
  }
  std::printf("\n%zu training examples, %s tokens, %lld cut at %lld\n", train.ids.size(), thousands(row).c_str(),
              static_cast<long long>(train.truncated), static_cast<long long>(longest(s, *session.model)));
  for (const nn::AdapterSpec& a : session.model->adapters())
    std::printf("%s  A (%lld,%lld)  B (%lld,%lld)  scale %g\n", a.module.c_str(), static_cast<long long>(a.r),
                static_cast<long long>(a.m), static_cast<long long>(a.n), static_cast<long long>(a.r), a.scale);
  std::printf("%s\n%s\n", params_line(*session.model).c_str(), predicted_memory(session, most).c_str());
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  auto show = std::make_shared<int64_t>(3);
  CLI::App* verb = app.add_subcommand(
      "inspect", "Show examples as the model sees them, adapted modules and memory; train nothing");
  const OptionBinder bind{*verb};
  bind("show", *show, "Examples to show");
  visit_input(*settings, bind);
  visit_data(*settings, bind);
  visit_lora(*settings, bind);
  visit_method(*settings, bind);
  bind("batch-size,batch", settings->batch_size, "Examples per micro-batch");
  bind("recompute", settings->recompute, "none or block");
  visit_system(*settings, bind);
  verb->callback([settings, show] { inspect(*settings, *show); });
}

}  // namespace lowland::apps
