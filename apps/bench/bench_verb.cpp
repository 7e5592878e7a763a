#include "apps/bench/bench_verb.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "apps/bench/bench_step.h"
#include "apps/bench/gpu_state.h"
#include "apps/common/progress.h"
#include "engine/error.h"
#include "kernels/common/accelerator.h"

extern char** environ;

namespace lowland::apps {
namespace {

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

void run_isolated(const BenchVerbFlags& flags, const std::vector<std::string>& methods) {
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

void run_profile(const std::vector<BenchSubject>& subjects, const BenchVerbFlags& flags) {
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
                const std::vector<BenchSubject>& subjects) {
  for (size_t i = 0; i < results.size(); ++i) {
    const Context& context = *subjects[i].context;
    nlohmann::ordered_json o = to_json(results[i], results.front());
    o["preset"] = verb.preset;
    o["device"] = context.device().name();
    o["dtype"] = verb.dtype;
    o["trained"] = subjects[i].trained;
    for (const auto& [key, value] : verb.more.items()) o[key] = value;
    o["threads"] = context.threads();
    o["process_peak_bytes"] = peak_outside(context);
    o["gpu"] = gpu_state(context);
    std::printf("%s\n", o.dump().c_str());
  }
}

void print_text(const BenchVerb& verb, const std::vector<BenchResult>& results,
                const std::vector<BenchSubject>& subjects) {
  const Context& context = *subjects.front().context;
  const nlohmann::ordered_json gpu = gpu_state(context);
  const std::string where =
      gpu.is_null()
          ? fmt::format("{} threads", context.threads())
          : fmt::format("{}: {}, driver {}, SM clock {} of {} MHz, power limit {} W", context.device().name(),
                        gpu.at("name").get<std::string>(), gpu.at("driver").dump(), gpu.at("sm_clock_mhz").dump(),
                        gpu.at("sm_clock_max_mhz").dump(), gpu.at("power_limit_w").dump());
  std::printf("%s, %s, %s\n%s", verb.preset.c_str(), where.c_str(), verb.dtype.c_str(), to_table(results).c_str());
  for (const BenchResult& r : results)
    if (!r.ops.is_null()) std::printf("\n%s", by_op_table(r).c_str());
  size_t held = 0, peaks = 0;
  for (const BenchSubject& s : subjects) {
    held += s.context->memory().reserved_bytes();
    peaks += s.context->memory().peak_bytes();
  }
  std::printf(
      "memory: tensors %s at peak, %s with the gaps between them; the process %s (the rest: program, libraries "
      "and their buffers)\n",
      bytes_text(peaks).c_str(), bytes_text(held).c_str(), bytes_text(process_peak_bytes()).c_str());
}

}  // namespace

void apply(const BenchVerbFlags& flags, Settings& settings) {
  LL_CHECK(flags.steps >= 1 && flags.warmup >= 0 && flags.profile >= 0,
           "--steps must be at least 1, --warmup and --profile at least 0");
  if (flags.profile > 0 && !flags.profile_graphs) settings.no_graphs = true;
}

void run_bench_verb(BenchVerb& verb, const BenchVerbFlags& flags) {
  const std::vector<std::string> methods = split_list(flags.methods);
  LL_CHECK(!methods.empty(), "--methods is empty");
  if (flags.isolate) return run_isolated(flags, methods);
  std::vector<BenchMethod> made;
  std::vector<BenchSubject> timed;
  for (const std::string& m : methods) {
    made.push_back(verb.make(m));
    timed.push_back({m, made.back().context, made.back().step, made.back().trained});
  }
  if (flags.profile > 0) return run_profile(timed, flags);
  BenchOptions options;
  options.warmup = flags.warmup;
  options.steps = flags.steps;
  options.budget_s = 300;
  options.by_op = flags.by_op;
  const std::vector<BenchResult> results = run_bench(timed, options);
  if (flags.json) {
    print_json(verb, results, timed);
  } else {
    print_text(verb, results, timed);
  }
}

}  // namespace lowland::apps
