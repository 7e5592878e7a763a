// lowland-roberta on a decoder: the verbs on texts, whose last token is read. And on an encoder that fills in words.
#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

#include "tests/apps/program.h"

using namespace lowland::test;
using nlohmann::json;

namespace {

std::vector<std::string> with(std::vector<std::string> args, const std::vector<std::string>& more) {
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

json scored(const std::vector<std::string>& args) { return json::parse(must(run_program(args)).out); }

std::vector<double> scores_of(const std::vector<std::string>& args) {
  std::vector<double> out;
  std::istringstream lines(must(run_program(args)).out);
  for (std::string line; std::getline(lines, line);) out.push_back(json::parse(line).at("scores").at("positive"));
  return out;
}

}  // namespace

TEST_CASE("lowland-roberta on a decoder: finetune, evaluate, predict, probe, inspect and merge agree") {
  const TestFolder& task = tiny_task();
  const TestFolder w;
  w.write("config.json", R"({"model_type": "qwen3", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
      "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 40,
      "vocab_size": 300, "tie_word_embeddings": true})");
  must(run_llama({"pretrain", "--text", task / "text.txt", "--model-config", w / "config.json", "--vocab-size", "300",
                  "--epochs", "1", "--batch-size", "8", "--threads", "1", "--out", w / "base"}));
  const std::string base = w / "base/model";
  const std::vector<std::string> data = {"--model", base, "--data", task / "data", "--task", "sst2", "--threads", "1"};
  for (const char* method : {"eflat-lora", "full"}) {
    CAPTURE(method);
    const bool full = std::string(method) == "full";
    const std::string run = w / method;
    must(run_program(with({"finetune", "--method", method, "--epochs", full ? "1" : "4", "--lr", full ? "1e-3" : "1e-2",
                           "--batch-size", "8", "--out", run},
                          data)));
    const json last = json::parse(read_text(run + "/run.json")).at("last");
    const json again = scored({"evaluate", "--run", run});
    CHECK(std::abs(again.at("eval_loss").get<double>() - last.at("eval_loss").get<double>()) < 1e-6);
    w.write("lines.txt", "a fine warm film\nan awful mess\n");
    const std::vector<double> one = scores_of({"predict", w / "lines.txt", "--run", run});
    const std::string whole = full ? run + "/model" : w / "merged";
    if (!full) {
      const json config = json::parse(read_text(run + "/adapter/adapter_config.json"));
      CHECK(config.at("task_type") == "SEQ_CLS");
      CHECK(config.at("modules_to_save") == json{"score"});
      CHECK(config.at("target_modules") == json({"q_proj", "v_proj"}));
      CHECK(read_text(run + "/adapter/README.md").find("AutoModelForSequenceClassification") != std::string::npos);
      must(run_program({"merge", "--model", base, "--adapter", run + "/adapter", "--out", whole}));
      CHECK(scored({"probe", "--run", run}).at("sharpness").is_number());
    }
    CHECK(json::parse(read_text(whole + "/config.json")).at("architectures") == json{"Qwen3ForSequenceClassification"});
    const std::vector<double> other = scores_of({"predict", w / "lines.txt", "--model", whole, "--task", "sst2"});
    REQUIRE(other.size() == 2);
    for (size_t i = 0; i < 2; ++i) CHECK(std::abs(one[i] - other[i]) < 1e-5);
    CHECK(scored({"evaluate", "--model", whole, "--data", task / "data", "--task", "sst2"}).at("eval_accuracy") ==
          again.at("eval_accuracy"));
  }
  const std::string shown = must(run_program(with({"inspect", "--show", "1"}, data))).out;
  CHECK(shown.find("score") != std::string::npos);
  const Outcome untrained = run_program(with({"evaluate"}, data));
  CHECK(untrained.exit_code == 1);
  CHECK(untrained.err.find("has no trained head for 2 labels") != std::string::npos);
  const Outcome words = run_program(with({"finetune", "--template", "task", "--out", w / "words"}, data));
  CHECK(words.exit_code == 1);
  CHECK(words.err.find("is filled in by an encoder with a masked-LM head") != std::string::npos);
}

TEST_CASE("lowland-roberta by label words: finetune from a few shots, evaluate, predict and merge agree") {
  const TestFolder& task = tiny_task();
  const TestFolder w;
  const std::string base = task / "pretrained/model", run = w / "run";
  const std::vector<std::string> data = {"--data", task / "data", "--task", "sst2", "--threads", "1"};
  const std::vector<std::string> words = {"--template", "*cls**sent_0*_so*mask*.*sep+*", "--label-words",
                                          R"(["!", "?"])"};
  const auto prompted = [&](const std::vector<std::string>& args) { return with(with(args, data), words); };
  const Outcome o =
      run_program(prompted({"finetune", "--model", base, "--method", "eflat-lora", "--k-shot", "12", "--dev-shots", "6",
                            "--epochs", "2", "--lr", "1e-2", "--batch-size", "8", "--out", run}));
  INFO(o.err);
  REQUIRE(o.exit_code == 0);
  CHECK(o.err.find("train: 24 examples") != std::string::npos);
  CHECK(o.err.find("dev: 12 examples, held out from train") != std::string::npos);
  const json config = json::parse(read_text(run + "/adapter/adapter_config.json"));
  CHECK(config.at("task_type").is_null());
  CHECK(config.at("auto_mapping").at("base_model_class") == "RobertaForMaskedLM");
  CHECK(config.at("modules_to_save").is_null());
  const json card = json::parse(read_text(run + "/adapter/lowland.json"));
  CHECK(card.at("template") == words[1]);
  CHECK(card.at("label_words") == json({"!", "?"}));

  const json by_run = scored({"evaluate", "--run", run});
  const json by_card = scored(with({"evaluate", "--model", base, "--adapter", run + "/adapter"}, data));
  CHECK(by_run.at("eval_loss") == by_card.at("eval_loss"));
  must(run_program({"merge", "--model", base, "--adapter", run + "/adapter", "--out", w / "merged"}));
  const json merged = scored(prompted({"evaluate", "--model", w / "merged"}));
  CHECK(std::abs(merged.at("eval_loss").get<double>() - by_run.at("eval_loss").get<double>()) < 1e-5);
  w.write("lines.txt", "a fine warm film\n");
  const std::vector<double> p = scores_of({"predict", w / "lines.txt", "--run", run});
  REQUIRE(p.size() == 1);
  const std::string shown = must(run_program(prompted({"inspect", "--model", base, "--show", "1"}))).out;
  CHECK(shown.find("<mask>") != std::string::npos);
  must(run_program(prompted({"finetune", "--model", base, "--method", "full", "--max-steps", "2", "--batch-size", "8",
                             "--out", w / "full"})));
  const json whole = json::parse(read_text(w / "full/run.json")).at("last");
  CHECK(std::abs(scored({"evaluate", "--run", w / "full"}).at("eval_loss").get<double>() -
                 whole.at("eval_loss").get<double>()) < 1e-6);
  CHECK(json::parse(read_text(w / "full/model/config.json")).at("architectures") == json{"RobertaForMaskedLM"});
  const Outcome lost = run_program(with({"evaluate", "--model", base, "--label-words", "!,?"}, data));
  CHECK(lost.exit_code == 1);
  CHECK(lost.err.find("--template says where they stand, and is missing") != std::string::npos);
}
