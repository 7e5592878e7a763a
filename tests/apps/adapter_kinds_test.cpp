// lowland-roberta with the kinds of adapters that peft knows, and with texts that have several labels: what a run says
// is what its folder gives back.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "tests/apps/program.h"
#include "tests/apps/same_run.h"

using namespace lowland::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Args = std::vector<std::string>;

Args with(Args args, const Args& more) {
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

json scores(const Args& args) { return json::parse(must(run_program(args)).out); }

double last_loss(const std::string& run) {
  return json::parse(read_text(run + "/run.json")).at("last").at("eval_loss").get<double>();
}

// A run, evaluated from its folder and merged, and trained on from.
void goes_around(const TestFolder& w, const std::string& name, const Args& kind) {
  CAPTURE(name);
  const std::string run = w / name, base = tiny_task() / "pretrained/model";
  must(run_program(with(finetune_flags("eflat-lora", run), kind)));
  CHECK(std::abs(scores({"evaluate", "--run", run}).at("eval_loss").get<double>() - last_loss(run)) < 1e-5);
  must(run_program({"merge", "--model", base, "--adapter", run + "/adapter", "--out", run + "-merged"}));
  const json merged =
      scores({"evaluate", "--model", run + "-merged", "--data", tiny_task() / "data", "--task", "sst2"});
  CHECK(std::abs(merged.at("eval_loss").get<double>() - last_loss(run)) < 1e-4);
  must(run_program({"finetune", "--model", base, "--adapter", run + "/adapter", "--data", tiny_task() / "data",
                    "--task", "sst2", "--max-steps", "2", "--threads", "1", "--out", run + "-more"}));
  const json before = json::parse(read_text(run + "/adapter/adapter_config.json")),
             after = json::parse(read_text(run + "-more/adapter/adapter_config.json"));
  CHECK(before == after);
}

json config_of(const std::string& run) { return json::parse(read_text(run + "/adapter/adapter_config.json")); }

}  // namespace

TEST_CASE("kinds of adapters: ranks by module, biases, and pairs that begin with the weights") {
  const TestFolder w;
  goes_around(w, "ranks", {"--rank-pattern", R"({"value": 2})", "--alpha-pattern", R"({"layer.1.*": 5})"});
  CHECK(config_of(w / "ranks").at("rank_pattern") == json{{"value", 2}});
  goes_around(w, "biases", {"--lora-bias", "lora_only"});
  CHECK(config_of(w / "biases").at("bias") == "lora_only");
  goes_around(w, "all", {"--bias", "all"});
  goes_around(w, "pissa", {"--init-lora-weights", "pissa"});
  CHECK(config_of(w / "pissa").at("r") == 8);
  CHECK(config_of(w / "pissa").at("init_lora_weights") == true);
  goes_around(w, "gaussian", {"--init-lora-weights", "gaussian"});
  const Outcome refused = run_program(with(finetune_flags("lora", w / "x"), {"--init-lora-weights", "eva"}));
  CHECK(refused.err.find("--init-lora-weights must be true, gaussian, pissa or olora, got eva") != std::string::npos);
  CHECK(run_program(with(finetune_flags("lora", w / "x"), {"--rank-pattern", "value=2"})).exit_code == 1);
  CHECK(!fs::exists(w / "x"));
}

TEST_CASE("kinds of adapters: a killed run that began with the weights resumes to the same bits") {
  const TestFolder w;
  const auto flags = [&](const char* name) {
    return with(finetune_flags("lora", w / name), {"--init-lora-weights", "olora", "--lora-bias", "all"});
  };
  must(run_program(flags("whole")));
  run_until(w / "killed/checkpoint-6", flags("killed"), run_program);
  must(run_program({"finetune", "--out", w / "killed", "--resume"}));
  CHECK(run_difference(w / "whole", w / "killed") == "");
}

TEST_CASE("new tokens: their rows are trained, saved and merged, and the tokenizer has them") {
  const TestFolder w;
  w.write("tokens.txt", "<soup>\n\n<tea>\nthe\n");
  std::string rows = "text,label\n";
  for (int i = 0; i < 48; ++i)
    rows +=
        std::string("the ") + (i % 2 == 0 ? "<soup>" : "<tea>") + " is here," + (i % 2 == 0 ? "warm" : "cold") + "\n";
  w.write("train.csv", rows);
  const std::string base = tiny_task() / "pretrained/model", run = w / "run";
  const Args flags{"finetune", "--model",       base,        "--task",  "text",   "--train", w / "train.csv",
                   "--dev",    w / "train.csv", "--threads", "1",       "--seed", "3",       "--lr",
                   "2e-2",     "--batch-size",  "8",         "--epochs"};
  const Outcome o = must(run_program(
      with(flags, {"30", "--add-tokens", w / "tokens.txt", "--targets", "query", "--save-steps", "5", "--out", run})));
  CHECK(o.err.find("; rows of tokens (2)") != std::string::npos);
  const json config = config_of(run);
  const int size = json::parse(read_text(base + "/config.json")).at("vocab_size");
  CHECK(config.at("trainable_token_indices") == json{{"word_embeddings", {size, size + 1}}});
  const json added = json::parse(read_text(run + "/adapter/tokenizer.json")).at("added_tokens");
  CHECK(added.back().at("content") == "<tea>");
  CHECK(added.back().at("id") == size + 1);
  CHECK(read_text(run + "/adapter/README.md").find("base.resize_token_embeddings(" + std::to_string(size + 2) + ")") !=
        std::string::npos);
  const json after = scores({"evaluate", "--run", run});
  CHECK(std::abs(after.at("eval_loss").get<double>() - last_loss(run)) < 1e-5);
  CHECK(after.at("eval_accuracy") == 1.0);  // nothing but the new tokens tells the classes apart
  must(run_program({"merge", "--model", base, "--adapter", run + "/adapter", "--out", w / "merged"}));
  CHECK(json::parse(read_text(w / "merged/config.json")).at("vocab_size") == size + 2);
  const json merged = scores({"evaluate", "--model", w / "merged", "--task", "text", "--dev", w / "train.csv"});
  CHECK(std::abs(merged.at("eval_loss").get<double>() - last_loss(run)) < 1e-4);
  must(run_program(with(flags, {"1", "--adapter", run + "/adapter", "--out", w / "more"})));
  CHECK(config_of(w / "more") == config);
  CHECK(
      run_program(with(flags, {"1", "--adapter", run + "/adapter", "--add-tokens", w / "tokens.txt", "--out", w / "x"}))
          .err.find("--add-tokens is for a new adapter") != std::string::npos);
  must(run_program(with(flags, {"1", "--method", "full", "--add-tokens", w / "tokens.txt", "--out", w / "full"})));
  CHECK(json::parse(read_text(w / "full/model/config.json")).at("vocab_size") == size + 2);
  scores({"evaluate", "--run", w / "full"});
}

TEST_CASE("class weights: the logged loss is torch's weighted mean") {
  const TestFolder w;
  std::string rows = "text,label\n", lines;
  for (int i = 0; i < 24; ++i) {
    const std::string text = i % 4 == 0   ? "the soup tastes fine"
                             : i % 4 == 1 ? "the tea looks burnt"
                                          : "the cake is here";
    rows += text + "," + (i % 4 == 0 ? "good" : i % 4 == 1 ? "bad" : "none") + "\n";
    lines += text + "\n";
  }
  w.write("train.csv", rows);
  w.write("lines.txt", lines);
  fs::copy(tiny_task() / "pretrained/model", w / "model");
  json config = json::parse(read_text(w / "model/config.json"));
  for (const char* dropout : {"hidden_dropout_prob", "attention_probs_dropout_prob"}) config[dropout] = 0;
  w.write("model/config.json", config.dump());
  const std::string base = w / "model";
  const Args flags{"finetune",      "--model",        base, "--task",    "text", "--train",
                   w / "train.csv", "--dev-fraction", "0",  "--threads", "1",    "--out"};
  must(run_program(with(flags, {w / "first", "--max-steps", "6", "--lr", "1e-2"})));
  std::istringstream in(must(run_program({"predict", "--run", w / "first", w / "lines.txt"})).out);
  std::vector<json> said;
  for (std::string line; std::getline(in, line);) said.push_back(json::parse(line).at("scores"));
  REQUIRE(said.size() == 24);
  const auto logged = [&](const std::string& weights, const std::string& out) {
    must(run_program(with(flags, {w / out, "--adapter", w / "first/adapter", "--max-steps", "1", "--batch-size", "7",
                                  "--grad-accum", "4", "--logging-steps", "1", "--class-weights", weights})));
    for (const json& line : read_metrics(w / out))
      if (line.contains("loss")) return line.at("loss").get<double>();
    return std::nan("");
  };
  const auto wanted = [&](double bad, double good, double none) {
    double sum = 0, all = 0;
    for (int i = 0; i < 24; ++i) {
      const char* const label = i % 4 == 0 ? "good" : i % 4 == 1 ? "bad" : "none";
      const double weight = i % 4 == 0 ? good : i % 4 == 1 ? bad : none;
      sum -= weight * std::log(said[i].at(label).get<double>());
      all += weight;
    }
    return sum / all;
  };
  CHECK(logged("1,1,1", "alike") == doctest::Approx(wanted(1, 1, 1)).epsilon(1e-4));
  CHECK(logged("3, 0.5, 0", "given") == doctest::Approx(wanted(3, 0.5, 0)).epsilon(1e-4));
  CHECK(logged("balanced", "balanced") == doctest::Approx(wanted(24 / 18.0, 24 / 18.0, 24 / 36.0)).epsilon(1e-4));
  const auto refused = [&](const char* weights) {
    return run_program(with(flags, {w / "x", "--class-weights", weights})).err;
  };
  CHECK(refused("1,2").find("--class-weights 1,2: there are 3 classes: bad, good, none") != std::string::npos);
  CHECK(refused("1,2,-1").find("`-1` is no weight") != std::string::npos);
}

TEST_CASE("several labels: trained, predicted as lists, and scored by labels together and one by one") {
  const TestFolder w;
  const char* const nouns[] = {"soup", "bread", "cake", "tea"};
  std::string rows, lines;
  for (int i = 0; i < 64; ++i) {
    const bool warm = i % 2 == 0, sweet = i / 2 % 3 == 0;
    json labels = json::array();
    if (sweet) labels.push_back("sweet");
    if (warm) labels.push_back("warm");
    const std::string text = std::string("the ") + nouns[i / 8 % 4] + (warm ? " tastes fine" : " looks stale") +
                             (sweet ? " and lovely" : " and burnt");
    rows += json{{"text", text}, {"label", labels}}.dump() + "\n";
    lines += text + "\n";
  }
  w.write("train.jsonl", rows);
  w.write("lines.txt", lines);
  const std::string base = tiny_task() / "pretrained/model", run = w / "run";
  const Args flags{"finetune", "--model",         base,        "--task", "text", "--train", w / "train.jsonl",
                   "--dev",    w / "train.jsonl", "--threads", "1",      "--out"};
  CHECK(run_program(with(flags, {w / "x"})).err.find("--problem-type multi_label_classification") != std::string::npos);
  const Args many{"--problem-type", "multi_label_classification"};
  const Outcome o =
      must(run_program(with(with(flags, {run, "--epochs", "150", "--lr", "5e-3", "--batch-size", "8"}), many)));
  CHECK(o.err.find("labels: any of 2: sweet, warm") != std::string::npos);
  const json after = scores({"evaluate", "--run", run});
  CHECK(after.at("eval_micro_f1") > 0.9);
  CHECK(std::abs(after.at("eval_loss").get<double>() - last_loss(run)) < 1e-5);
  CHECK(after.at("classes").at("warm").at("support") == 32);
  CHECK(!after.contains("confusion_matrix"));
  const json best = json::parse(read_text(run + "/run.json")).at("best");
  CHECK(best.dump().find("micro_f1") != std::string::npos);

  // The loss and the labels are those of the probabilities that predict writes.
  std::istringstream in(must(run_program({"predict", "--run", run, w / "lines.txt"})).out), wanted(rows);
  double loss = 0;
  int n = 0, whole = 0;
  for (std::string line, row; std::getline(in, line) && std::getline(wanted, row); ++n) {
    const json said = json::parse(line), given = json::parse(row);
    std::set<std::string> right, named;
    for (const json& label : given.at("label")) right.insert(label.get<std::string>());
    for (const json& label : said.at("labels")) named.insert(label.get<std::string>());
    for (const char* label : {"sweet", "warm"}) {
      const double p = said.at("scores").at(label);
      CHECK((p > 0.5) == (named.count(label) == 1));
      loss -= std::log(right.count(label) == 1 ? p : 1 - p) / 2;
    }
    whole += right == named ? 1 : 0;
  }
  CHECK(n == 64);
  CHECK(after.at("eval_loss").get<double>() == doctest::Approx(loss / n).epsilon(1e-4));
  CHECK(after.at("eval_subset_accuracy").get<double>() == doctest::Approx(whole / 64.0));
  const json card = json::parse(read_text(run + "/adapter/lowland.json"));
  CHECK(card.at("problem_type") == "multi_label_classification");
  CHECK(read_text(run + "/adapter/README.md").find("problem_type=\"multi_label_classification\"") != std::string::npos);
  must(run_program({"merge", "--model", base, "--adapter", run + "/adapter", "--out", w / "merged"}));
  CHECK(json::parse(read_text(w / "merged/config.json")).at("problem_type") == "multi_label_classification");
  const json merged = scores({"evaluate", "--model", w / "merged", "--task", "text", "--dev", w / "train.jsonl"});
  CHECK(std::abs(merged.at("eval_loss").get<double>() - last_loss(run)) < 1e-4);
  CHECK(run_program(with(with(flags, {w / "x", "--label-smoothing", "0.1"}), many)).err.find("--label-smoothing") !=
        std::string::npos);
  CHECK(!fs::exists(w / "x"));
}
