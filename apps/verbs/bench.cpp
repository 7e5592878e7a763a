#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>

#include "apps/bench/bench.h"
#include "apps/bench/gpu_state.h"
#include "apps/bench/random_weights.h"
#include "apps/bench/roofline.h"
#include "apps/common/process.h"
#include "apps/common/progress.h"
#include "apps/train/ranks.h"
#include "apps/train/step.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"
#include "kernels/common/accelerator.h"
#include "models/hub/target_match.h"

extern char** environ;

namespace lowland::apps {
namespace {

struct BenchSettings {
  std::string methods = "lora,eflat-lora";
  int64_t steps = 30, warmup = 10, profile = 0;
  bool json = false, by_op = false, isolate = false, profile_graphs = false, roofline = false;
  void add_flags(Flags& flags);
  void check() const;
};

void BenchSettings::add_flags(Flags& f) {
  f.group("Bench");
  f.add("methods", &methods, fmt::format("Comma list: {}", fmt::join(optim::method_names(), ", ")));
  f.add("steps", &steps, "Timed steps");
  f.add("warmup", &warmup, "Steps before them");
  f.add("json", &json, "One JSON object per method");
  f.add("by-op", &by_op, "Time by op as well");
  f.add("roofline", &roofline, "Time nothing: what each launch of a block must take on a GPU at least; needs none");
  f.add("isolate", &isolate, "Each method in a process of its own: their memory peaks as the system counts them");
  f.add("profile", &profile, "After the warm-up run N steps between cudaProfilerStart and Stop, and end");
  f.add("profile-graphs", &profile_graphs, "Keep captured graphs while profiling: the ranges inside them are not seen");
}

void BenchSettings::check() const {
  LL_CHECK(steps >= 1 && warmup >= 0 && profile >= 0, "--steps must be at least 1, --warmup and --profile at least 0");
}

struct BenchVerb {
  BenchVerb(CLI::App& app, std::unique_ptr<BenchCase> made) : subject(std::move(made)), flags(app) {}
  std::unique_ptr<BenchCase> subject;
  Flags flags;
  BenchSettings settings;
  SystemSettings system;
  RankSettings ranks;
};

// Of a step, in milliseconds.
struct TogetherMs {
  double sum = 0, gather = 0, without = 0;  // without: of the whole step without gathers; 0 where there are none
  double overlap(double step) const { return std::clamp(1 - (step - without) / gather, 0.0, 1.0); }
};

// A method under test: a model, an optimizer and a memory of its own, on random weights.
struct TimedMethod {
  MethodSettings how;
  TrainingSettings training;
  std::unique_ptr<Context> context;
  std::unique_ptr<nn::Model> model;
  std::unique_ptr<optim::Method> method;
  std::unique_ptr<TrainingStep> step;
  dist::Communicator& ranks;

  TimedMethod(const BenchVerb& verb, const std::string& name, dist::Communicator& all)
      : how(default_settings(name)), context(verb.system.make_context()), ranks(all) {
    const BenchCase& subject = *verb.subject;
    context->keep_threads();  // whatever else runs: methods are compared
    training.fill_in_defaults(how);
    model = subject.new_model(how);
    model->set_recompute(subject.batch.recompute == "block");
    if (subject.narrow_weights) verb.system.keep_frozen(*model, subject.batch, *context);
    if (subject.batch.shard_base) model->shard(ranks.world(), ranks.rank().index);
    model->materialise(*context, verb.system.compute_dtype(*context));
    fill_random(*model, subject.random_std());
    model->gather_with(&ranks);
    method = optim::make_method(name, model->arena(), training.method_options(how));
    const auto loss = [&subject, m = model.get()](const PackedBatch& b, const nn::Mode& mode, double scale) {
      return subject.loss(*m, b, mode, scale);
    };
    step = std::make_unique<TrainingStep>(*model, *method, loss, !verb.system.no_graphs);
    step->share(ranks, false);
  }
  // Waits for a GPU to be done. Returns the tokens of all processes.
  int64_t run(const BenchCase& subject, int64_t index) {
    const PackedBatch batch = subject.random_batch(*model, index);
    std::vector<double> sums = {weight_of({batch}), static_cast<double>(batch.rows.tokens)};
    ranks.all_reduce(sums, "targets");
    step->run({batch}, {.index = index,
                        .lr = training.lr,
                        .rho = method->rho_schedule(1).at(1),
                        .seed = 1,
                        .weight = sums[0],
                        .passes = 1});
    context->wait();
    return static_cast<int64_t>(sums[1]);
  }
  // What processes do together, by itself: all begin at once, the median of several.
  double alone_ms(const std::function<void()>& work) {
    std::vector<double> ms;
    for (int i = 0; i < 5; ++i) {
      ranks.barrier("a part alone");
      const auto start = std::chrono::steady_clock::now();
      work();
      context->wait();
      ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    }
    return quantile(ms, 0.5);
  }
  // The sums of the gradients and the gathers of a step, and its time without gathers (its numbers mean nothing then).
  TogetherMs together_ms(const BenchCase& subject) {
    TogetherMs t;
    const int passes = how.row().passes;
    t.sum = passes * alone_ms([&] { ranks.all_reduce(model->arena().grads(), "the sum alone"); });
    if (!model->sharded()) return t;
    t.gather = passes * alone_ms([&] { model->silent_pass(); });
    model->gather_with(nullptr);
    int64_t index = 0;
    t.without = alone_ms([&] { run(subject, index++); });
    return t;
  }
};

std::vector<std::string> own_command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> out;
  for (std::string word; std::getline(file, word, '\0');) out.push_back(word);
  LL_CHECK(!out.empty(), "--isolate needs /proc/self/cmdline");
  return out;
}

// This program once more, for one method: what it prints.
std::string output_of(const std::vector<std::string>& words, const std::string& method) {
  std::vector<std::string> command;
  for (const std::string& w : words)
    if (w != "--isolate" && w != "--json") command.push_back(w);
  command.insert(command.end(), {"--methods", method, "--json"});
  std::vector<char*> arguments;
  for (std::string& w : command) arguments.push_back(w.data());
  arguments.push_back(nullptr);
  int ends[2];
  LL_CHECK(pipe(ends) == 0, "no pipe to another process");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  pid_t child = 0;
  const int started = posix_spawn(&child, "/proc/self/exe", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  char part[4096];
  for (ssize_t n = 0; started == 0 && (n = read(ends[0], part, sizeof part)) > 0;)
    text.append(part, static_cast<size_t>(n));
  close(ends[0]);
  int status = 1;
  if (started == 0) waitpid(child, &status, 0);
  LL_CHECK(started == 0 && status == 0, "the process that was to time {} failed", method);
  return text;
}

void run_isolated(const BenchSettings& flags, const std::vector<std::string>& methods) {
  const std::vector<std::string> words = own_command_line();
  std::vector<nlohmann::ordered_json> all;
  for (const std::string& m : methods) all.push_back(nlohmann::ordered_json::parse(output_of(words, m)));
  const auto number = [](const nlohmann::ordered_json& o, const char* key) { return o.at(key).get<double>(); };
  for (nlohmann::ordered_json& o : all) {
    o["time_ratio"] = number(o, "step_ms") / number(all.front(), "step_ms");
    o["memory_ratio"] = number(o, "peak_bytes") / number(all.front(), "peak_bytes");
    o.erase("time_ratio_min");  // of turns in one process: there are none
    o.erase("time_ratio_max");
    o["isolated"] = true;
    if (flags.json) {
      std::printf("%s\n", o.dump().c_str());
    } else {
      std::printf("%-12s %10.1f ms %12s tensors at peak %12s process at peak   time ratio %.3f  memory ratio %.4f\n",
                  o.at("method").get<std::string>().c_str(), number(o, "step_ms"),
                  bytes_text(o.at("peak_bytes").get<size_t>()).c_str(),
                  bytes_text(o.at("process_peak_bytes").get<size_t>()).c_str(), number(o, "time_ratio"),
                  number(o, "memory_ratio"));
    }
  }
}

// The process's peak as the driver or the kernel counts it.
size_t peak_outside(const Context& context) {
  const Accelerator* gpu = context.accelerator();
  return gpu != nullptr ? gpu->held_bytes() : process_peak_bytes();
}

void run_profile(const std::vector<BenchSubject>& subjects, const BenchSettings& flags) {
  int64_t step = 0;
  for (; step < std::max<int64_t>(flags.warmup, 3); ++step)
    for (const BenchSubject& s : subjects) s.step(step);
  const auto record = [&](bool on) {
    for (const BenchSubject& s : subjects)
      if (Accelerator* gpu = s.context->accelerator()) gpu->profile(on);
  };
  record(true);
  for (int64_t i = 0; i < flags.profile; ++i, ++step)
    for (const BenchSubject& s : subjects) s.step(step);
  record(false);
  std::printf("%lld steps of each method were run for a profiler\n", static_cast<long long>(flags.profile));
}

void print_json(const BenchVerb& verb, const std::vector<BenchResult>& results,
                const std::vector<std::unique_ptr<TimedMethod>>& timed, const std::vector<TogetherMs>& together) {
  for (size_t i = 0; i < results.size(); ++i) {
    const TimedMethod& m = *timed[i];
    nlohmann::ordered_json o = to_json(results[i], results.front());
    o["preset"] = verb.subject->preset;
    o["device"] = m.context->device().name();
    o["dtype"] = name_of(m.model->dtype());
    o["trained"] = m.model->trainable_count();
    o.update(verb.subject->shape());
    if (verb.subject->narrow_weights)
      o["weights_dtype"] = verb.subject->batch.weights_dtype == "auto"
                               ? name_of(verb.system.weights_dtype(verb.subject->batch, *m.context))
                               : verb.subject->batch.weights_dtype;
    o["threads"] = m.context->threads();
    o["process_peak_bytes"] = peak_outside(*m.context);
    o["gpu"] = gpu_state(*m.context);
    if (!m.ranks.alone()) {
      o["processes"] = m.ranks.world();
      o["sum_bytes"] = m.how.row().passes * m.model->arena().grads().nbytes();
      const double step = o.at("step_ms");
      o["sum_ms"] = together[i].sum;
      o["sum_share"] = together[i].sum / step;
      o["waited_share"] = results[i].waited;
      if (m.model->sharded()) {
        o["gather_ms"] = together[i].gather;
        o["gather_overlap"] = together[i].overlap(step);
      }
    }
    std::printf("%s\n", o.dump().c_str());
  }
}

void print_text(const BenchVerb& verb, const std::vector<BenchResult>& results,
                const std::vector<std::unique_ptr<TimedMethod>>& timed, const std::vector<TogetherMs>& together) {
  const Context& context = *timed.front()->context;
  const nlohmann::ordered_json gpu = gpu_state(context);
  const std::string where =
      gpu.is_null()
          ? counted(context.threads(), "thread")
          : fmt::format("{}: {}, driver {}, SM clock {} of {} MHz, power limit {} W", context.device().name(),
                        gpu.at("name").get<std::string>(), gpu.at("driver").dump(), gpu.at("sm_clock_mhz").dump(),
                        gpu.at("sm_clock_max_mhz").dump(), gpu.at("power_limit_w").dump());
  std::printf("%s, %s, %s\n%s", verb.subject->preset.c_str(), where.c_str(), name_of(timed.front()->model->dtype()),
              to_table(results).c_str());
  for (size_t i = 0; i < together.size(); ++i) {
    const double step = quantile(results[i].ms, 0.5);
    const TogetherMs& t = together[i];
    std::printf("%s: %d processes over %s, %s of gradients summed in %.2f ms, %.1f%% of a step; waiting took %.1f%%\n",
                results[i].method.c_str(), timed[i]->ranks.world(), timed[i]->ranks.engine().c_str(),
                bytes_text(timed[i]->model->arena().grads().nbytes()).c_str(), t.sum, 100 * t.sum / step,
                100 * results[i].waited);
    if (timed[i]->model->sharded())
      std::printf("%s: blocks gathered in %.1f ms, %.0f%% of it while others computed\n", results[i].method.c_str(),
                  t.gather, 100 * t.overlap(step));
  }
  for (const BenchResult& r : results)
    if (!r.ops.is_null()) std::printf("\n%s", by_op_table(r).c_str());
  size_t held = 0, peaks = 0;
  for (const auto& m : timed) {
    held += m->context->memory().reserved_bytes();
    peaks += m->context->memory().peak_bytes();
  }
  std::printf(
      "memory: tensors %s at peak, %s with the gaps between them; the process %s (the rest: program, libraries "
      "and their buffers)\n",
      bytes_text(peaks).c_str(), bytes_text(held).c_str(), bytes_text(process_peak_bytes()).c_str());
}

void print_roofline(BenchVerb& verb) {
  const std::vector<RooflineRow> rows = roofline(*verb.subject);
  if (!verb.settings.json) {
    std::printf("%s", to_table(rows, *verb.subject).c_str());
    return;
  }
  for (const RooflineRow& r : rows) std::printf("%s\n", to_json(r).dump().c_str());
}

// Of a step's sequences those of this process.
void take_part(BenchCase& subject, const dist::Rank& rank) {
  LL_CHECK(subject.sequences >= rank.world, "--batch {} is less than one sequence for each of {} processes",
           subject.sequences, rank.world);
  subject.sequences = subject.sequences * (rank.index + 1) / rank.world - subject.sequences * rank.index / rank.world;
}

void run(BenchVerb& verb, dist::Communicator& ranks) {
  const BenchSettings& settings = verb.settings;
  settings.check();
  verb.system.check();
  check(verb.subject->lora);
  verb.subject->batch.check();
  if (!ranks.alone()) take_part(*verb.subject, ranks.rank());
  LL_CHECK(ranks.alone() || (!settings.roofline && !settings.isolate && settings.profile == 0),
           "--roofline, --isolate and --profile are for one process");
  verb.subject->check();
  if (settings.roofline) return print_roofline(verb);
  const std::vector<std::string> methods = split_names(settings.methods);
  LL_CHECK(!methods.empty(), "--methods is empty");
  if (settings.isolate) return run_isolated(settings, methods);
  if (settings.profile > 0 && !settings.profile_graphs) verb.system.no_graphs = true;
  std::vector<std::unique_ptr<TimedMethod>> timed;
  std::vector<BenchSubject> subjects;
  for (const std::string& name : methods) {
    timed.push_back(std::make_unique<TimedMethod>(verb, name, ranks));
    TimedMethod* const m = timed.back().get();
    subjects.push_back({name, m->context.get(), [m, &verb](int64_t i) { return m->run(*verb.subject, i); }});
  }
  if (settings.profile > 0) return run_profile(subjects, settings);
  if (const std::string why = dist::use_device(ranks, *timed.front()->context); !why.empty())
    say(fmt::format("gradients go by way of the host: {}", why));
  const std::vector<BenchResult> results = run_bench(
      subjects,
      {.warmup = settings.warmup, .steps = settings.steps, .budget_s = 300, .by_op = settings.by_op, .ranks = &ranks});
  std::vector<TogetherMs> together;
  for (size_t i = 0; i < timed.size() && !ranks.alone(); ++i) together.push_back(timed[i]->together_ms(*verb.subject));
  if (!ranks.leads()) return;
  if (settings.json) {
    print_json(verb, results, timed, together);
  } else {
    print_text(verb, results, timed, together);
  }
}

}  // namespace

void add_bench(CLI::App& program, const Family& family) {
  CLI::App* app =
      program.add_subcommand("bench", "Time training steps of several methods side by side, on random weights");
  const auto verb = std::make_shared<BenchVerb>(*app, family.bench());
  BenchCase& subject = *verb->subject;
  subject.add_flags(verb->flags);
  verb->settings.add_flags(verb->flags);
  verb->flags.group("Model");
  verb->flags.add("recompute", &subject.batch.recompute, "none or block");
  if (subject.narrow_weights) subject.batch.add_weights_dtype(verb->flags);
  add_flags(subject.lora, verb->flags);
  verb->system.add_flags(verb->flags);
  verb->ranks.add_flags(verb->flags);
  subject.batch.add_shard_base(verb->flags);
  app->callback([verb] {
    const auto ranks = join_ranks(verb->ranks, verb->system, verb->subject->batch);
    run_together(*ranks, [&] { run(*verb, *ranks); });
  });
}

}  // namespace lowland::apps
