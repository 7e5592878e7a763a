#include <cstdio>

#include "apps/train/cost.h"
#include "apps/train/run.h"
#include "apps/verbs/session_verb.h"
#include "apps/verbs/verbs.h"

namespace lowland::apps {
namespace {

struct InspectVerb : SessionVerb {
  using SessionVerb::SessionVerb;
  TrainingSettings training;
  Cluster cluster;
  int64_t show = 3;
};

void run(InspectVerb& verb) {
  verb.door->method.fill_in_defaults(verb.flags);
  verb.cluster.check();
  Session& session = verb.enter();
  session.plans_only = true;
  session.batch.rank.world = static_cast<int>(verb.cluster.world);
  session.open(verb.flags);
  session.load({.dev = false});
  int64_t row = 0, number = 0;
  for (const int32_t length : session.objective().lengths(DataSplit::train)) {
    if (number < verb.show) session.print_example(number, row);
    row += session.rows_of(length);
    ++number;
  }
  std::printf("\n%s\n", session.example_summary(row).c_str());
  const size_t free_bytes = session.context->memory().free_bytes();
  const PlannedRun planned = session.planned(verb.training);
  const MemoryPlan plan = plan_memory(planned, session.batch, *session.context, free_bytes);
  const std::unique_ptr<nn::Model> model = session.new_model(true);
  for (const nn::AdapterSpec& a : model->adapters())
    std::printf("%s  A (%lld,%lld)  B (%lld,%lld)  scale %g\n", a.module.c_str(), static_cast<long long>(a.r),
                static_cast<long long>(a.m), static_cast<long long>(a.n), static_cast<long long>(a.r), a.scale);
  std::printf("%s\n%s\n", params_line(*model).c_str(), memory_table(plan, free_bytes).c_str());
  if (verb.cluster.world > 1)
    std::printf("%s", cost_table(step_cost(planned, session.batch, plan, verb.cluster), verb.cluster).c_str());
}

}  // namespace

void add_inspect(CLI::App& app, const Family& family) {
  const auto verb = std::make_shared<InspectVerb>(
      app, family, "inspect", "Show examples as the model sees them, adapted modules and memory; train nothing",
      family.session());
  Session& session = *verb->door;
  verb->flags.add("show", &verb->show, "Examples to show");
  session.base.add_flags(verb->flags);
  session.add_flags(verb->flags, Verb::inspect);
  add_flags(session.lora, verb->flags);
  session.method.add_flags(verb->flags);
  session.batch.add_flags(verb->flags);
  session.system.add_flags(verb->flags);
  session.batch.add_shard_base(verb->flags);
  verb->flags.add("world-size", &verb->cluster.world,
                  "Memory of one of N processes that share a step, and the least time of it");
  verb->flags.add("interconnect", &verb->cluster.interconnect, "What connects them: nvlink, pcie or 100g");
  verb->flags.add("tflops", &verb->cluster.tflops, "TFLOP/s that each of them reaches in a step");
  verb->flags.on_run([verb] { run(*verb); });
}

}  // namespace lowland::apps
