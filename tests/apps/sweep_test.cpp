// Sweeps of the tiny task: their runs are those of finetune, and a sweep that is killed ends with the same results.
#include <doctest/doctest.h>

#include <fmt/format.h>
#include <algorithm>
#include <filesystem>

#include <fstream>
#include <sstream>

#include "apps/report/sweep_table.h"
#include "apps/sweep/sweep_file.h"
#include "engine/error.h"
#include "tests/apps/program.h"

using namespace lowland::test;
using lowland::apps::fill_in;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

const char* const kSweep = R"(
title = "Tiny <sweep>"
seeds = [7, 8]
score = ["dev"]
[all]
model = "{model}"
data = "{data}"
rank = 4
lr = 5e-3
batch_size = 8
max-steps = 12
lora-dropout = 0.1
threads = 1
[[tasks]]
task = "sst2"
[[methods]]
method = "lora"
[[methods]]
method = "eflat-lora"
rho = [0.05, 0.5]
[[methods]]
name = "whole"
method = "full"
lr = 5e-4
)";

std::vector<std::string> sweep_flags(const TestFolder& w, const std::string& out,
                                     const std::vector<std::string>& more = {}) {
  w.write("sweep.toml", kSweep);
  std::vector<std::string> args{"sweep",
                                w / "sweep.toml",
                                "--set",
                                "model=" + (tiny_task() / "pretrained/model"),
                                "data=" + (tiny_task() / "data"),
                                "--out",
                                out};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

// Without what tells time.
std::vector<json> results_of(const std::string& folder) {
  std::vector<json> out;
  std::istringstream in(read_text(folder + "/results.jsonl"));
  for (std::string line; std::getline(in, line);) {
    json object = json::parse(line);
    for (const char* time : {"seconds", "train_seconds", "peak_bytes"}) object.erase(time);
    out.push_back(std::move(object));
  }
  return out;
}

const json& find(const std::vector<json>& results, const std::string& run) {
  const auto at = std::find_if(results.begin(), results.end(), [&](const json& r) { return r.at("run") == run; });
  REQUIRE(at != results.end());
  return *at;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a sweep's runs are those of finetune, whatever was run before them in the process") {
  const TestFolder w;
  const Outcome swept = must(run_program(sweep_flags(w, w / "out")));
  const std::vector<json> results = results_of(w / "out");
  REQUIRE(results.size() == 8);
  CHECK(results[0].at("run") == "sst2/lora/7");
  CHECK(results[1].at("run") == "sst2/eflat-lora rho 0.05/7");
  CHECK(results[7].at("run") == "sst2/whole/8");
  for (const auto& [method, name] : {std::pair{"eflat-lora", "sst2/eflat-lora rho 0.5/8"}, {"full", "sst2/whole/8"}}) {
    const std::string run = name;
    CAPTURE(run);
    const bool full = std::string(method) == "full";
    must(run_program({"finetune",
                      "--model",
                      tiny_task() / "pretrained/model",
                      "--data",
                      tiny_task() / "data",
                      "--task",
                      "sst2",
                      "--method",
                      method,
                      "--rho",
                      "0.5",
                      "--rank",
                      "4",
                      "--lr",
                      full ? "5e-4" : "5e-3",
                      "--batch-size",
                      "8",
                      "--max-steps",
                      "12",
                      "--lora-dropout",
                      "0.1",
                      "--threads",
                      "1",
                      "--seed",
                      "8",
                      "--sharpness-steps",
                      "12",
                      "--eval-steps",
                      "12",
                      "--out",
                      w / method}));
    const json info = json::parse(read_text((w / method) + "/run.json"));
    const json& line = find(results, name);
    CHECK(line.at("metrics").at("dev") == info.at("last"));
    CHECK(line.at("dev") == info.at("last").at("eval_accuracy"));
    CHECK(line.at("sharpness") == info.at("sharpness"));
    CHECK(line.at(full ? "loss" : "loss_perturbed") == info.at("train_loss"));
    CHECK(line.at("steps") == 12);
  }
  CHECK(contains(swept.err, "[8/8] sst2/whole/8"));
  CHECK(contains(swept.out, "eflat-lora"));
  CHECK(contains(read_text((w / "out") + "/report.html"), "Tiny &lt;sweep&gt;"));
  CHECK(contains(read_text((w / "out") + "/table.md"), "| method | mean accuracy |"));
  // What is there is not run again; another file's runs are refused.
  const Outcome again = must(run_program(sweep_flags(w, w / "out")));
  CHECK(contains(again.err, "8 runs, 8 of them done"));
  std::string other = kSweep;
  other.replace(other.find("rank = 4"), 8, "rank = 2");
  w.write("other.toml", other);
  std::vector<std::string> flags = sweep_flags(w, w / "out");
  flags[1] = w / "other.toml";
  CHECK(contains(run_program(flags).err, "has a result of sst2/lora/7 with other flags"));
}

TEST_CASE("a sweep that is killed and begun again ends with the results of one that was not, in any number of jobs") {
  const TestFolder w;
  must(run_program(sweep_flags(w, w / "whole")));
  const Outcome killed = run_program(sweep_flags(w, w / "killed", {"--jobs", "2"}),
                                     {.after_ms = -1, .when = (w / "killed") + "/results.jsonl"});
  CHECK(killed.exit_code == kKilled);
  const size_t before = results_of(w / "killed").size();
  CHECK(before < 8);
  {  // the line that it was writing
    std::ofstream out((w / "killed") + "/results.jsonl", std::ios::app);
    out << R"({"run": "sst2/whole/8", "task)";
  }
  must(run_program(sweep_flags(w, w / "killed", {"--jobs", "2"})));
  CHECK(results_of(w / "killed") == results_of(w / "whole"));
}

TEST_CASE("runs that keep what layers below the adapted ones give end with the bits of those that do not") {
  const TestFolder w;
  const std::vector<std::string> flags = sweep_flags(w, w / "kept", {"--only", "lora"});
  std::string text = kSweep;
  text.replace(text.find("rank = 4"), 8, "rank = 4\nlayers-to-transform = \"1\"\nmodules-to-save = \"layer.1.output\"");
  text.replace(text.find("rho = [0.05, 0.5]"), 17,
               "rho = 0.5\n[[methods]]\nmethod = \"flat-lora\"\nname = \"two-pass lora\"");
  w.write("sweep.toml", text);
  must(run_program(flags));
  std::vector<std::string> without = flags;
  without[std::find(flags.begin(), flags.end(), "--out") - flags.begin() + 1] = w / "without";
  without.insert(without.end(), {"--cache-mb", "0"});
  must(run_program(without));
  const std::vector<json> results = results_of(w / "kept");
  CHECK(results.size() == 6);
  CHECK(results == results_of(w / "without"));
  CHECK(contains(read_text((w / "kept") + "/worker-1.log"), "lower layers: "));
  CHECK(!contains(read_text((w / "without") + "/worker-1.log"), "lower layers: "));
  text.replace(text.find("seeds"), 5, "cache-mb = -1\nseeds");
  w.write("sweep.toml", text);
  CHECK(contains(run_program(flags).err, "cache-mb must be a whole number"));
}

TEST_CASE("a run that cannot be is told with its result, and the others go on") {
  const TestFolder w;
  std::vector<std::string> flags = sweep_flags(w, w / "out", {"--only", "lora/7"});
  std::string text = kSweep;
  text.replace(text.find("rho = [0.05, 0.5]"), 17, "max-steps = 3   ");
  text.replace(text.find("lr = 5e-3"), 9, "lr = 1e38");
  w.write("sweep.toml", text);
  const Outcome o = run_program(flags);
  CHECK(o.exit_code == 1);
  CHECK(contains(o.err, "failed"));
  CHECK(contains(results_of(w / "out").at(0).value("error", ""), "not finite"));
}

TEST_CASE("what is wrong with a sweep's file is said before anything runs") {
  const TestFolder w;
  const auto error_of = [&](const std::string& from, const std::string& to) {
    const std::vector<std::string> flags = sweep_flags(w, w / "none");
    std::string text = kSweep;
    text.replace(text.find(from), from.size(), to);
    w.write("sweep.toml", text);
    const Outcome o = run_program(flags);
    CHECK(o.exit_code == 1);
    return o.err;
  };
  CHECK(contains(error_of("rank = 4", "rnak = 4"), "sst2/lora/7: unknown flag --rnak; did you mean --rank?"));
  CHECK(contains(error_of("rank = 4", "rank = \"{ranks}\""), "--set ranks=VALUE"));
  CHECK(contains(error_of("rho = [0.05, 0.5]", "rho = [0.05, -1]"), "rho"));
  CHECK(contains(error_of("name = \"whole\"", "name = \"lora\""), "twice"));
  CHECK(contains(error_of("seeds = [7, 8]", "seed = 7"), "`seed` is no key of a sweep"));
  CHECK(contains(error_of("method = \"lora\"", "method = \"lora\"\nseed = 3"), "`seeds` lists them"));
  CHECK(contains(error_of("title = \"Tiny <sweep>\"", "baseline = \"sam\""), "the baseline sam is none"));
  CHECK(contains(error_of("seeds = [7, 8]", "also = 3"), "list of tables"));
  CHECK(!fs::exists(w / "none"));
  CHECK(fill_in("{a}/{{b}}", {{"a", "x"}}) == "x/{b}");
  CHECK_THROWS_AS(fill_in("{a", {}), lowland::Error);
}

TEST_CASE("a table of results: settings by the dev split, differences by seed") {
  using namespace lowland::apps;
  ResultLines lines;
  const auto add = [&](const char* method, const char* setting, int seed, double dev, double test) {
    lines.push_back({{"run", fmt::format("t/{} {}/{}", method, setting, seed)},
                     {"task", "t"},
                     {"method", method},
                     {"setting", setting},
                     {"seed", seed},
                     {"score_name", "accuracy"},
                     {"dev", dev},
                     {"test", test},
                     {"sharpness", 0.5},
                     {"train_seconds", 2.0}});
  };
  for (const int seed : {1, 2, 3}) {
    add("lora", "", seed, 0.5, 0.50);
    add("sam", "rho 1", seed, 0.6, 0.25);  // the best of dev, and the worst of test
    add("sam", "rho 2", seed, 0.5, 0.75);
  }
  lines[1]["test"] = 0.625;  // seed 1 of the chosen setting
  const SweepTable table = sweep_table(lines, "lora");
  CHECK(table.split == "test");
  const SweepCell* cell = table.find("t", "sam");
  REQUIRE(cell != nullptr);
  CHECK(cell->setting == "rho 1");
  CHECK(cell->chosen_of_many);
  CHECK(cell->differences == std::vector<double>{0.125, -0.25, -0.25});
  CHECK(cell->difference.mean == doctest::Approx(-0.125));
  CHECK(cell->wins == 1);
  CHECK(cell->p == doctest::Approx(0.5));  // of the 8 sums of +-1, +-2, +-2: 4 at least 3 away from zero
  CHECK(cell->p_holm == cell->p);          // one test
  CHECK(!table.chosen_on_what_is_scored);
  const auto rows = overall_rows(table);
  REQUIRE(rows.size() == 3);
  CHECK(rows[1][2] == "–");
  CHECK(rows[2][2] == "-12.50");
  for (const auto& row : rows) CHECK(row.size() == rows[0].size());
  for (const auto& row : task_rows(table)) CHECK(row.size() == task_rows(table)[0].size());
  lines[4]["error"] = "the loss is not finite";  // rho 1 of seed 2: a setting that fails loses to one that does not
  CHECK(sweep_table(lines, "lora").find("t", "sam")->setting == "rho 2");
}
