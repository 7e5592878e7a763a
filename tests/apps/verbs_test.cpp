// Each verb once, on the tiny task, and what they say of the same run agrees.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <sstream>

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
  const Workspace w;
  const Workspace& task = tiny_task();
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

  const Outcome merged = run_program({"merge", "--model", task / "pretrained/model", "--adapter", run + "/adapter",
                                      "--out", w / "merged"});
  INFO(merged.err);
  REQUIRE(merged.exit_code == 0);
  const Outcome again = run_program({"predict", w / "lines.txt", "--model", w / "merged", "--task", "sst2"});
  INFO(again.err);
  REQUIRE(again.exit_code == 0);
  const std::vector<json> same = lines_of(again.out);
  REQUIRE(same.size() == 2);
  for (size_t i = 0; i < 2; ++i)
    CHECK(std::abs(same[i].at("score").get<double>() - predictions[i].at("score").get<double>()) < 1e-5);

  const Outcome probed = run_program({"probe", "--run", run});
  INFO(probed.err);
  REQUIRE(probed.exit_code == 0);
  const json sharp = json::parse(probed.out);
  CHECK(sharp.at("sharpness").get<double>() > 0);
  CHECK(sharp.at("cosine").get<double>() > 0);
  CHECK(sharp.at("cosine").get<double>() <= 1 + 1e-6);

  const Outcome compared = run_program({"compare", run, run, "--html", w / "both.html"});
  REQUIRE(compared.exit_code == 0);
  CHECK(compared.out.find("eval_accuracy") != std::string::npos);
  CHECK(read_text(w / "both.html").find("<svg") != std::string::npos);

  const Outcome inspected = run_program({"inspect", "--model", task / "pretrained/model", "--data", task / "data",
                                         "--task", "sst2", "--show", "1"});
  INFO(inspected.err);
  REQUIRE(inspected.exit_code == 0);
  CHECK(inspected.out.find("trainable params: ") != std::string::npos);
  CHECK(inspected.out.find("<s>") != std::string::npos);
}

TEST_CASE("an adapter is trained further, with its head") {
  const Workspace w;
  REQUIRE(run_program(finetune_flags("lora", w / "first")).exit_code == 0);
  std::vector<std::string> flags = finetune_flags("eflat-lora", w / "second");
  for (const std::string& f : {std::string("--adapter"), w / "first/adapter"}) flags.push_back(f);
  const Outcome o = run_program(flags);
  INFO(o.err);
  REQUIRE(o.exit_code == 0);
  CHECK(o.err.find("a new one is drawn") == std::string::npos);
}

TEST_CASE("bench prints one JSON object per method") {
  const Outcome o = run_program({"bench", "--methods", "lora,eflat-lora,flat-lora", "--batch", "1", "--length", "4",
                                 "--steps", "2", "--warmup", "2", "--json"});
  INFO(o.err);
  REQUIRE(o.exit_code == 0);
  const std::vector<json> rows = lines_of(o.out);
  REQUIRE(rows.size() == 3);
  for (const char* key : {"method", "step_ms", "tokens_per_s", "peak_bytes", "time_ratio", "memory_ratio"})
    CHECK(rows[1].contains(key));
  CHECK(rows[0].at("memory_ratio") == 1.0);
}
