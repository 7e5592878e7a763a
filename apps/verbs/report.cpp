// report: the tables and the page of a sweep, from its results as far as there are any.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "apps/report/sweep_report.h"
#include "apps/sweep/results.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

struct ReportSettings {
  std::string folder, baseline;
};

void report(const ReportSettings& settings) {
  const std::filesystem::path folder = settings.folder;
  LL_CHECK(std::filesystem::exists(folder / "results.jsonl"), "{} is not a sweep's: it has no results.jsonl",
           folder.string());
  const Results results(folder / "results.jsonl");
  std::string title = folder.filename().string(), baseline = settings.baseline;
  if (std::filesystem::exists(folder / "sweep.toml")) {
    const Sweep sweep = read_sweep((folder / "sweep.toml").string());
    title = sweep.title;
    if (baseline.empty()) baseline = sweep.baseline;
  }
  write_sweep_report(folder, title, baseline.empty() ? "lora" : baseline, results.all());
}

}  // namespace

void add_report(CLI::App& app, const Family&) {
  const auto settings = std::make_shared<ReportSettings>();
  CLI::App* verb = app.add_subcommand("report", "What the runs of a sweep come to: tables, tests, pictures");
  verb->add_option("SWEEP", settings->folder, "Folder of a sweep")->required();
  verb->add_option("--baseline", settings->baseline, "The method that the others are compared with (the sweep's)");
  verb->callback([settings] { report(*settings); });
}

}  // namespace lowland::apps
