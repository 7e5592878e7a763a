// sweep: a grid of runs, in worker processes, that goes on where it was when it ended. Its report is `report`'s.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "apps/common/progress.h"
#include "apps/report/sweep_report.h"
#include "apps/sweep/results.h"
#include "apps/sweep/workers.h"
#include "apps/train/run_lock.h"
#include "apps/verbs/sweep_worker.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"

namespace lowland::apps {
namespace fs = std::filesystem;
namespace {

using nlohmann::ordered_json;

struct SweepVerb {
  explicit SweepVerb(CLI::App& verb) : flags(verb) {}
  Flags flags;
  std::string file, out, only;
  std::vector<std::string> set;
  int64_t jobs = 1, threads = 0, cache_mb = Sweep().cache_mb;
  bool dry_run = false;
};

Variables variables_of(const std::vector<std::string>& set) {
  Variables variables;
  for (const std::string& text : set) {
    const size_t equals = text.find('=');
    LL_CHECK(equals != std::string::npos && equals > 0, "--set takes NAME=VALUE, not `{}`", text);
    LL_CHECK(text.substr(0, equals) != "seed", "--set seed: {{seed}} is that of each run");
    variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return variables;
}

void keep_only(Sweep& sweep, const std::string& text, const std::string& file) {
  std::erase_if(sweep.runs, [&](const SweepRun& run) { return run.name().find(text) == std::string::npos; });
  LL_CHECK(!sweep.runs.empty(), "--only {}: no run of {} has that in its name", text, file);
}

// Where it is, a folder of a sweep or an empty one.
void check_folder(const fs::path& out) {
  LL_CHECK(!out.empty(), "--out names the folder of the sweep, and is missing");
  if (!fs::exists(out)) return;
  LL_CHECK(fs::is_directory(out), "{} is a file, not a folder", out.string());
  LL_CHECK(fs::exists(out / "results.jsonl") || fs::exists(out / "sweep.toml") || fs::is_empty(out),
           "{} is not empty, and no sweep wrote what is in it: give another --out", out.string());
}

// A line for a person: what came of a run.
std::string told(const ordered_json& line) {
  const std::string run = line.at("run");
  if (line.contains("error")) return fmt::format("{}  failed: {}", run, line.at("error").get<std::string>());
  std::string text = run;
  for (const char* split : {"dev", "test"})
    if (line.contains(split) && line.at(split).is_number())
      text += fmt::format("  {} {} {:.4f}", split, line.value("score_name", ""), line.at(split).get<double>());
  if (line.contains("sharpness")) text += fmt::format("  sharpness {:.3e}", line.at("sharpness").get<double>());
  return text + fmt::format("  {:.1f} s", line.value("seconds", 0.0));
}

// Counts the runs, and says of each what came of it and how long the others will take.
class Tally {
 public:
  Tally(size_t before, size_t total) : before_(before), done_(before), total_(total) {}
  void add(const ordered_json& line) {
    ++done_;
    failed_ += line.contains("error") ? 1 : 0;
    const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const auto left = static_cast<double>(total_ - done_) * passed / static_cast<double>(done_ - before_);
    say(fmt::format("[{}/{}] {}  {} left", done_, total_, told(line), duration_text(left)));
  }
  size_t failed() const { return failed_; }

 private:
  size_t before_, done_, total_, failed_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void do_runs(const Family& family, const SweepVerb& verb, const Sweep& sweep, const Variables& variables) {
  const fs::path out = verb.out;
  Results results(out / "results.jsonl");
  const std::vector<int64_t> open = runs_to_do(sweep, results, out.string());
  const auto cores = static_cast<int64_t>(std::max(1u, std::thread::hardware_concurrency()));
  const int64_t threads = verb.threads > 0 ? verb.threads : std::max<int64_t>(1, cores / verb.jobs);
  say(fmt::format("{}, {} of them done", counted(std::ssize(sweep.runs), "run"), sweep.runs.size() - open.size()));
  Tally tally(sweep.runs.size() - open.size(), sweep.runs.size());
  const auto begin = [&]() -> DoJob {
    const auto worker = std::make_shared<SweepWorker>(family, sweep, variables, verb.out, threads);
    return [worker, &sweep](int64_t i) { return worker->run(sweep.runs[i]).dump(); };
  };
  const auto done = [&](int64_t i, const std::string& text, const std::string& died) {
    ordered_json line = died.empty() ? ordered_json::parse(text) : head_of(sweep.runs[i]);
    if (!died.empty()) line["error"] = "the process that trained it " + died;
    results.add(line);
    tally.add(line);
  };
  do_jobs(open, {.workers = verb.jobs, .log_folder = out.string(), .begin = begin, .done = done});
  results.sort_as(sweep.runs);
  write_sweep_report(out, sweep.title, sweep.baseline, results.all());
  LL_CHECK(tally.failed() == 0, "{} failed: they are tried again when the sweep is begun once more",
           counted(static_cast<int64_t>(tally.failed()), "run"));
}

void run(const Family& family, const SweepVerb& verb) {
  LL_CHECK(!verb.file.empty(), "name the sweep's file: sweep FILE.toml --out DIR");
  LL_CHECK(verb.jobs >= 1, "--jobs must be at least 1, got {}", verb.jobs);
  const Variables variables = variables_of(verb.set);
  Sweep sweep = read_sweep(verb.file);
  if (verb.flags.given("cache-mb")) sweep.cache_mb = verb.cache_mb;
  LL_CHECK(sweep.cache_mb >= 0, "--cache-mb must be at least 0, got {}", sweep.cache_mb);
  if (!verb.only.empty()) keep_only(sweep, verb.only, verb.file);
  for (const SweepRun& one : sweep.runs) {
    try {
      const RunDoor door(family, arguments_of(one, variables));
    } catch (const Error& e) {
      fail("{}: {}: {}", verb.file, one.name(), e.what());
    }
  }
  if (verb.dry_run) {
    for (const SweepRun& one : sweep.runs) std::printf("%s\n", one.name().c_str());
    return;
  }
  check_folder(verb.out);
  fs::create_directories(verb.out);
  const RunLock lock(verb.out);
  write_file_atomically((fs::path(verb.out) / "sweep.toml").string(), read_file(verb.file));
  do_runs(family, verb, sweep, variables);
}

}  // namespace

void add_sweep(CLI::App& app, const Family& family) {
  const char* const about = "Train a grid of runs, as a file lists them, and report on them";
  const auto verb = std::make_shared<SweepVerb>(*app.add_subcommand("sweep", about));
  Flags& f = verb->flags;
  f.add_positional("FILE", &verb->file, "The sweep (TOML): methods, tasks, seeds and their flags");
  f.add("out", &verb->out, "Folder of the results; runs that it has a result of are not run again");
  f.add("set", &verb->set, "NAME=VALUE: what {NAME} is in the file; several in a row");
  f.add("jobs", &verb->jobs, "Runs at a time, each in a process");
  f.add("threads", &verb->threads, "CPU threads of a run (0: the cores, shared between the jobs)");
  f.add("cache-mb", &verb->cache_mb,
        "Megabytes a job for what layers below the adapted ones give (0: none); instead of the file's cache-mb");
  f.add("only", &verb->only, "Only the runs that have this in their name");
  f.add("dry-run", &verb->dry_run, "Check the file and list the runs");
  f.on_run([&family, verb] { run(family, *verb); });
}

}  // namespace lowland::apps
