// Each verb once, on the tiny task, and what they say of the same run agrees.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "tests/apps/program.h"

using namespace lowland::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

std::vector<json> lines_of(const std::string& text) {
  std::vector<json> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(json::parse(line));
  return out;
}

}  // namespace

TEST_CASE("finetune, evaluate, predict, merge, probe, compare, inspect on one run") {
  const TestFolder w;
  const TestFolder& task = tiny_task();
  const std::string run = w / "run";
  REQUIRE(run_program(finetune_flags("eflat-lora", run)).exit_code == 0);
  for (const char* file : {"adapter/adapter_config.json", "adapter/README.md", "adapter/lowland.json",
                           "adapter-best/adapter_model.safetensors", "run.json", "config.toml", "report.html"})
    CHECK(fs::exists(run + "/" + file));
  const json info = json::parse(read_text(run + "/run.json"));
  const double accuracy = info.at("last").at("eval_accuracy");
  CHECK(accuracy >= 0.5);

  const Outcome evaluated = run_program({"evaluate", "--run", run});
  INFO(evaluated.err);
  REQUIRE(evaluated.exit_code == 0);
  CHECK(json::parse(evaluated.out).at("eval_accuracy").get<double>() == accuracy);
  CHECK(std::abs(json::parse(evaluated.out).at("eval_loss").get<double>() -
                 info.at("last").at("eval_loss").get<double>()) < 1e-6);

  w.write("lines.txt", "the soup tastes fine\nthe bread looks awful\n");
  const Outcome predicted = run_program({"predict", w / "lines.txt", "--run", run});
  INFO(predicted.err);
  REQUIRE(predicted.exit_code == 0);
  const std::vector<json> predictions = lines_of(predicted.out);
  REQUIRE(predictions.size() == 2);
  CHECK(predictions[1].at("index") == 1);
  double sum = 0;
  for (const auto& [label, score] : predictions[0].at("scores").items()) sum += score.get<double>();
  CHECK(std::abs(sum - 1) < 1e-9);

  const Outcome merged = run_program(
      {"merge", "--model", task / "pretrained/model", "--adapter", run + "/adapter", "--out", w / "merged"});
  INFO(merged.err);
  REQUIRE(merged.exit_code == 0);
  const Outcome again = run_program({"predict", w / "lines.txt", "--model", w / "merged", "--task", "sst2"});
  INFO(again.err);
  REQUIRE(again.exit_code == 0);
  const std::vector<json> same = lines_of(again.out);
  REQUIRE(same.size() == 2);
  for (size_t i = 0; i < 2; ++i)
    CHECK(std::abs(same[i].at("score").get<double>() - predictions[i].at("score").get<double>()) < 1e-5);

  const Outcome probed = run_program({"probe", "--run", run, "--hessian", "--landscape", "2d", "--landscape-points",
                                      "3", "--html", w / "landscape.html"});
  INFO(probed.err);
  REQUIRE(probed.exit_code == 0);
  const json sharp = json::parse(probed.out);
  CHECK(sharp.at("sharpness").get<double>() > 0);
  CHECK(sharp.at("cosine").get<double>() > 0);
  CHECK(sharp.at("cosine").get<double>() <= 1 + 1e-6);
  CHECK(sharp.at("hessian").at("eigenvalue").is_number());
  CHECK(sharp.at("landscape").at("at") == json({-1.0, 0.0, 1.0}));
  REQUIRE(sharp.at("landscape").at("loss").size() == 9);
  CHECK(sharp.at("landscape").at("loss")[4] == sharp.at("loss"));  // the centre
  CHECK(json::parse(read_text(fs::path(run) / "landscape.json")) == sharp.at("landscape"));
  CHECK(read_text(w / "landscape.html").find("Loss over two random directions") != std::string::npos);

  const Outcome compared = run_program({"compare", run, run, "--html", w / "both.html", "--csv", w / "both.csv"});
  REQUIRE(compared.exit_code == 0);
  CHECK(compared.out.find("eval_accuracy") != std::string::npos);
  CHECK(read_text(w / "both.csv").starts_with("run,step,"));
  const auto csv_lines = static_cast<size_t>(std::ranges::count(read_text(w / "both.csv"), '\n'));
  CHECK(csv_lines == 1 + 2 * read_metrics(run).size());
  CHECK(read_text(w / "both.html").find("<svg") != std::string::npos);
  CHECK(read_text(w / "both.html").find("Loss along a random direction") != std::string::npos);

  const Outcome inspected = run_program(
      {"inspect", "--model", task / "pretrained/model", "--data", task / "data", "--task", "sst2", "--show", "1"});
  INFO(inspected.err);
  REQUIRE(inspected.exit_code == 0);
  CHECK(inspected.out.find("trainable params: ") != std::string::npos);
  CHECK(inspected.out.find("<s>") != std::string::npos);
}

TEST_CASE("plane: the losses of two runs' start and ends stand at their places") {
  const TestFolder w;
  std::vector<std::string> ends;
  for (const char* name : {"lora", "eflat-lora", "still"}) {
    const bool still = std::string(name) == "still";  // ends where it and the others start
    std::vector<std::string> flags = finetune_flags(still ? "lora" : name, w / name);
    if (still) flags.insert(flags.end(), {"--lr", "1e-30"});
    must(run_program(flags));
    const Outcome probed = must(run_program({"probe", "--run", w / name}));
    ends.push_back(json::parse(probed.out).at("loss").dump());
  }
  const Outcome o = must(run_program(
      {"plane", w / "lora", w / "eflat-lora", "--points", "2", "--margin", "0", "--html", w / "plane.html"}));
  const json plane = json::parse(o.out);
  CHECK(plane.at("at") == json({0.0, 1.0}));
  REQUIRE(plane.at("loss").size() == 4);
  CHECK(std::abs(plane.at("loss")[0].get<double>() - json::parse(ends[2]).get<double>()) < 1e-5);
  CHECK(std::abs(plane.at("loss")[1].get<double>() - json::parse(ends[0]).get<double>()) < 1e-5);
  CHECK(std::abs(plane.at("loss")[2].get<double>() - json::parse(ends[1]).get<double>()) < 1e-5);
  CHECK(read_text(w / "plane.html").find(">eflat-lora</text>") != std::string::npos);
  std::vector<std::string> flags = finetune_flags("lora", w / "other");
  flags.insert(flags.end(), {"--seed", "9"});
  must(run_program(flags));
  CHECK(run_program({"plane", w / "lora", w / "other"}).err.find("did not start from one place: seed is 7 and 9") !=
        std::string::npos);
}

TEST_CASE("an adapter is trained further, with its head") {
  const TestFolder w;
  REQUIRE(run_program(finetune_flags("lora", w / "first")).exit_code == 0);
  std::vector<std::string> flags = finetune_flags("eflat-lora", w / "second");
  for (const std::string& f : {std::string("--adapter"), w / "first/adapter"}) flags.push_back(f);
  const Outcome o = run_program(flags);
  INFO(o.err);
  REQUIRE(o.exit_code == 0);
  CHECK(o.err.find("a new one is drawn") == std::string::npos);
}

TEST_CASE("MNLI has two dev sets, and --run gives way to flags") {
  const TestFolder w;
  std::string table = "index\tsentence1\tsentence2\tgold_label\n";
  const char* const labels[] = {"entailment", "neutral", "contradiction"};
  for (int i = 0; i < 12; ++i)
    table += fmt::format("{}\tthe soup tastes fine\tthe bread looks stale {}\t{}\n", i, i, labels[i % 3]);
  for (const char* file : {"train", "dev_matched", "dev_mismatched"})
    w.write(std::string("MNLI/") + file + ".tsv", table);
  const Outcome trained =
      run_program({"finetune", "--model", tiny_task() / "pretrained/model", "--data", w / "MNLI", "--task", "mnli",
                   "--batch-size", "4", "--max-steps", "2", "--threads", "1", "--out", w / "run"});
  INFO(trained.err);
  REQUIRE(trained.exit_code == 0);
  const json info = json::parse(read_text(w / "run/run.json"));
  CHECK(info.at("settings").at("lr") == 2e-4);  // what was used, not "the default"
  CHECK(info.at("settings").at("targets") == "query,value");
  const Outcome evaluated = run_program({"evaluate", "--run", w / "run", "--max-length", "8"});
  INFO(evaluated.err);
  REQUIRE(evaluated.exit_code == 0);
  const json metrics = json::parse(evaluated.out);
  for (const char* key : {"eval_loss", "eval_accuracy", "eval_loss_mm", "eval_accuracy_mm"})
    CHECK(metrics.contains(key));
  CHECK(evaluated.err.find("12 of 12 examples are longer than 8 tokens and are cut") != std::string::npos);
}

TEST_CASE("an adapter with half a head is refused, and a merged config keeps its other keys") {
  const TestFolder w;
  REQUIRE(run_program(finetune_flags("lora", w / "run")).exit_code == 0);
  const std::string base = w / "base";
  fs::copy(tiny_task() / "pretrained/model", base, fs::copy_options::recursive);
  json config = json::parse(read_text(base + "/config.json"));
  config["transformers_version"] = "5.0.0";
  config["dtype"] = "float32";
  w.write("base/config.json", config.dump());
  const Outcome merged = run_program({"merge", "--model", base, "--adapter", w / "run/adapter", "--out", w / "merged"});
  INFO(merged.err);
  REQUIRE(merged.exit_code == 0);
  const json after = json::parse(read_text(w / "merged/config.json"));
  for (const auto& [key, value] : config.items()) {
    const bool of_the_head = key == "id2label" || key == "label2id" || key == "architectures" || key == "problem_type";
    CHECK((of_the_head || after.at(key) == value));
  }
  CHECK(after.at("id2label").at("1") == "positive");
  CHECK(after.at("architectures").at(0) == "RobertaForSequenceClassification");

  const std::string file = w / "run/adapter/adapter_model.safetensors";
  std::string bytes = read_text(file);
  for (size_t at = 0; (at = bytes.find("classifier.dense.bias", at)) != std::string::npos; ++at)
    bytes.replace(at, 21, "classifier.dense.bios");
  std::ofstream(file, std::ios::binary) << bytes;
  const Outcome half = run_program({"evaluate", "--run", w / "run"});
  INFO(half.err);
  CHECK(half.exit_code == 1);
}

TEST_CASE("bench prints one JSON object per method") {
  const Outcome o = run_program({"bench", "--methods", "lora,eflat-lora,flat-lora", "--batch", "1", "--length", "4",
                                 "--steps", "2", "--warmup", "2", "--json"});
  INFO(o.err);
  REQUIRE(o.exit_code == 0);
  const std::vector<json> rows = lines_of(o.out);
  REQUIRE(rows.size() == 3);
  for (const char* key : {"method", "trained", "step_ms", "tokens_per_s", "peak_bytes", "time_ratio", "memory_ratio"})
    CHECK(rows[1].contains(key));
  CHECK(rows[0].at("memory_ratio") == 1.0);
}
