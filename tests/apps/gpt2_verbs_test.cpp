// lowland-llama on a tiny GPT-2 that it pretrains itself: matrices of files are (in, out), adapters say so, and
// sentences of E2E's form are learnt, searched for by beams and scored.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <sstream>

#include "tests/apps/program.h"

using namespace lowland::test;
using nlohmann::json;

namespace {

// A folder with a model at `model`, and train.txt, dev.txt of E2E's form.
const TestFolder& tiny_gpt2() {
  static const TestFolder* const made = [] {
    static TestFolder w;
    const char* const names[] = {"Aromi", "Cotto", "Zizzi", "Strada", "Vaults", "Punter"};
    const char* const foods[] = {"fish", "rice", "pies", "cake"};
    std::string text, train, dev;
    for (int i = 0; i < 24; ++i) {
      const std::string name = names[i % 6], food = foods[i % 4];
      text += name + " sells " + food + " .\n\n";
      std::string& into = i < 18 ? train : dev;
      into += "name : " + name + " | food : " + food + "||" + name + " sells " + food + " . \n";
      into += "name : " + name + " | food : " + food + "||" + food + " is at " + name + " . \n";
    }
    w.write("text.txt", text);
    w.write("train.txt", train);
    w.write("dev.txt", dev);
    w.write("config.json", R"({"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64,
        "vocab_size": 300, "initializer_range": 0.2, "resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0})");
    const Outcome o =
        run_llama({"pretrain", "--text", w / "text.txt", "--model-config", w / "config.json", "--vocab-size", "300",
                   "--epochs", "10", "--lr", "5e-3", "--batch-size", "8", "--threads", "1", "--out", w / "pretrained"});
    INFO(o.err);
    REQUIRE(o.exit_code == 0);
    return &w;
  }();
  return *made;
}

json ran(const std::vector<std::string>& args) {
  const Outcome o = run_llama(args);
  INFO(o.err);
  REQUIRE(o.exit_code == 0);
  return o.out.empty() || o.out[0] != '{' ? json() : json::parse(o.out);
}

}  // namespace

TEST_CASE("lowland-llama on a GPT-2: finetune, evaluate with beams, merge and train in full agree") {
  const TestFolder w;
  const TestFolder& task = tiny_gpt2();
  const std::string base = task / "pretrained/model";
  const std::vector<std::string> data = {"--task", "e2e", "--train", task / "train.txt", "--dev", task / "dev.txt"};
  std::vector<std::string> args = {
      "finetune", "--model",   base,     "--method", "eflat-lora",   "--epochs", "12",
      "--lr",     "1e-2",      "--rank", "4",        "--batch-size", "8",        "--label-smoothing",
      "0.1",      "--threads", "1",      "--out",    w / "run"};
  args.insert(args.end(), data.begin(), data.end());
  ran(args);
  const json config = json::parse(read_text(w / "run/adapter/adapter_config.json"));
  CHECK(config.at("fan_in_fan_out") == true);
  CHECK(config.at("target_modules") == json{"c_attn"});
  CHECK(config.at("task_type") == "CAUSAL_LM");

  const json before = ran({"evaluate", "--model", base, "--task", "e2e", "--dev", task / "dev.txt"});
  const std::vector<std::string> search = {
      "--generate", "--num-beams",      "4", "--length-penalty", "0.8", "--no-repeat-ngram-size",
      "4",          "--max-new-tokens", "24"};
  args = {"evaluate", "--run", w / "run"};
  args.insert(args.end(), search.begin(), search.end());
  const json after = ran(args);
  CHECK(after.at("eval_loss") < 0.8 * before.at("eval_loss").get<double>());
  CHECK(after.at("eval_examples") == 6);  // meanings, of two sentences each
  for (const char* score : {"eval_bleu", "eval_nist", "eval_meteor", "eval_rouge_l", "eval_cider"})
    CHECK(after.at(score) > 0);

  ran({"merge", "--model", base, "--adapter", w / "run/adapter", "--out", w / "merged"});
  args = {"evaluate", "--model", w / "merged", "--task", "e2e", "--dev", task / "dev.txt"};
  args.insert(args.end(), search.begin(), search.end());
  const json merged = ran(args);
  CHECK(std::abs(merged.at("eval_loss").get<double>() - after.at("eval_loss").get<double>()) < 1e-5);
  CHECK(merged.at("eval_bleu") == after.at("eval_bleu"));

  w.write("prompts.txt", "Aromi sells\nCotto\n");
  const Outcome many = run_llama(
      {"generate", "--run", w / "run", "--prompts", w / "prompts.txt", "--num-beams", "3", "--max-new-tokens", "8"});
  INFO(many.err);
  REQUIRE(many.exit_code == 0);
  const Outcome one = run_llama({"generate", "--model", w / "merged", "--prompt", "Aromi sells", "--num-beams", "3",
                                 "--max-new-tokens", "8", "--early-stopping", "never"});
  INFO(one.err);
  REQUIRE(one.exit_code == 0);
  CHECK(json::parse(many.out.substr(0, many.out.find('\n'))).at("prompt") == "Aromi sells");
  const Outcome wrong =
      run_llama({"generate", "--model", w / "merged", "--prompt", "a", "--num-beams", "3", "--temperature", "1"});
  CHECK(wrong.exit_code == 1);
  CHECK(wrong.err.find("temperature must be 0, not 1") != std::string::npos);

  args = {"finetune",     "--model", base,        "--method", "full",  "--max-steps", "4",
          "--batch-size", "8",       "--threads", "1",        "--out", w / "full"};
  args.insert(args.end(), data.begin(), data.end());
  ran(args);
  const json full = json::parse(read_text(w / "full/run.json"));
  const json again = ran({"evaluate", "--model", w / "full/model", "--task", "e2e", "--dev", task / "dev.txt"});
  CHECK(std::abs(again.at("eval_loss").get<double>() - full.at("last").at("eval_loss").get<double>()) < 1e-5);
}

TEST_CASE("lowland-llama on a GPT-2: what inspect foretells, and a file that is not E2E's") {
  const TestFolder w;
  const TestFolder& task = tiny_gpt2();
  const std::vector<std::string> shared = {
      "--model", task / "pretrained/model", "--task",       "e2e", "--train",   task / "train.txt",
      "--dev",   task / "dev.txt",          "--batch-size", "8",   "--threads", "1"};
  std::vector<std::string> args = {"inspect", "--show", "1"};
  args.insert(args.end(), shared.begin(), shared.end());
  const Outcome o = run_llama(args);
  INFO(o.err);
  REQUIRE(o.exit_code == 0);
  CHECK(o.out.find("transformer.h.1.attn.c_attn  A (8,32)  B (96,8)  scale 2") != std::string::npos);
  args = {"finetune", "--epochs", "1", "--out", w / "run"};
  args.insert(args.end(), shared.begin(), shared.end());
  ran(args);
  const json info = json::parse(read_text(w / "run/run.json"));
  const double planned = info.at("planned_peak_bytes"), peak = info.at("peak_bytes");
  CHECK(planned > 0.9 * peak);
  CHECK(planned < 1.1 * peak);
  w.write("bad.txt", "no bars\n");
  const Outcome bad =
      run_llama({"evaluate", "--model", task / "pretrained/model", "--task", "e2e", "--dev", w / "bad.txt"});
  CHECK(bad.exit_code == 1);
  CHECK(bad.err.find("bad.txt:1: expected MEANING||SENTENCE") != std::string::npos);
}
