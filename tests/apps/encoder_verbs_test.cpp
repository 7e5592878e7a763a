// The verbs of lowland-roberta on a BERT and a DistilBERT with a WordPiece tokenizer, on pairs of texts.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <sstream>

#include "tests/apps/program.h"

using namespace lowland::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

const char* const kWords[] = {"soup", "bread", "cake", "tea"};

// Pairs "the soup is good \t the tea is bad"; the class is the second text's. Of a model that has no token types the
// first text is "the soup" only: so small a one learns no more in seconds.
std::string table(const std::string& type, int first, int count) {
  std::string text = "text\tother\tlabel\n";
  for (int i = first; i < first + count; ++i) {
    const auto half = [](int noun, bool good) {
      return std::string("the ") + kWords[noun % 4] + " is " + (good ? "good" : "bad");
    };
    text += (type == "bert" ? half(i / 4, i % 3 == 0) : std::string("the ") + kWords[i / 4 % 4]) + "\t" +
            half(i / 2, i % 2 == 0) + "\t" + (i % 2 == 0 ? "yes" : "no") + "\n";
  }
  return text;
}

// A folder `model` as pretrain makes it, its tokenizer, and the task.
struct Task {
  TestFolder w;
  explicit Task(const std::string& type) {
    std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nis\ngood\nbad\n.\n", text;
    for (const char* word : kWords) vocabulary += std::string(word) + "\n";
    for (int i = 0; i < 40; ++i)
      text += std::string("the ") + kWords[i % 4] + " is " + (i % 3 == 0 ? "good" : "bad") + " .\n";
    w.write("tokenizer/vocab.txt", vocabulary);
    w.write("tokenizer/tokenizer_config.json", R"({"tokenizer_class":"BertTokenizer","do_lower_case":true})");
    w.write("text.txt", text);
    w.write("config.json", type == "bert"
                               ? R"({"model_type":"bert","hidden_size":32,"num_hidden_layers":2,)"
                                 R"("num_attention_heads":2,"intermediate_size":48,"max_position_embeddings":32})"
                               : R"({"model_type":"distilbert","dim":32,"n_layers":2,"n_heads":2,)"
                                 R"("hidden_dim":48,"max_position_embeddings":32})");
    w.write("train.tsv", table(type, 0, 96));
    w.write("dev.tsv", table(type, 96, 24));
    const Outcome o = run_program({"pretrain", "--text", w / "text.txt", "--line-by-line", "--model-config",
                                   w / "config.json", "--tokenizer", w / "tokenizer", "--epochs", "1", "--batch-size",
                                   "8", "--threads", "1", "--out", w / "pretrained"});
    INFO(o.err);
    REQUIRE(o.exit_code == 0);
  }
  std::string model() const { return w / "pretrained/model"; }

  std::vector<std::string> flags(const std::string& verb) const {
    return {verb,      "--model",       model(), "--task",      "text",
            "--train", w / "train.tsv", "--dev", w / "dev.tsv", "--text-pair-column",
            "other",   "--threads",     "1"};
  }
};

Outcome must_run(std::vector<std::string> args, const std::vector<std::string>& more = {}) {
  args.insert(args.end(), more.begin(), more.end());
  Outcome o = run_program(args);
  INFO(o.err);
  REQUIRE(o.exit_code == 0);
  return o;
}

std::vector<double> scores(const std::string& out) {
  std::vector<double> values;
  std::istringstream in(out);
  for (std::string line; std::getline(in, line);) values.push_back(json::parse(line).at("scores").at("yes"));
  return values;
}

void check_verbs(const Task& task, const std::vector<std::string>& training, const std::string& pairs) {
  const TestFolder& w = task.w;
  const std::string run = w / "run";
  must_run(task.flags("finetune"), training);
  const json last = json::parse(read_text(run + "/run.json")).at("last");
  CHECK(last.at("eval_accuracy").get<double>() >= 0.9);
  const json again = json::parse(must_run({"evaluate", "--run", run}).out);
  CHECK(std::abs(again.at("eval_loss").get<double>() - last.at("eval_loss").get<double>()) < 1e-6);

  w.write("pairs.tsv", pairs);
  const std::vector<double> adapted = scores(must_run({"predict", w / "pairs.tsv", "--run", run}).out);
  REQUIRE(adapted.size() == 2);
  CHECK(adapted[0] > adapted[1]);
  must_run({"merge", "--model", task.model(), "--adapter", run + "/adapter", "--out", w / "merged"});
  const std::vector<double> merged =
      scores(must_run({"predict", w / "pairs.tsv", "--model", w / "merged", "--text-pair-column", "other"}).out);
  for (size_t i = 0; i < 2; ++i) CHECK(std::abs(adapted[i] - merged[i]) < 1e-5);
  CHECK(json::parse(must_run({"probe", "--run", run}).out).at("sharpness").is_number());
  CHECK(must_run(task.flags("inspect"), {"--show", "1"}).out.find("[SEP]") != std::string::npos);
}

}  // namespace

TEST_CASE("BERT: the verbs on pairs of texts") {
  const Task task("bert");
  std::vector<std::string> training = {"--method", "eflat-lora", "--targets",    "all-linear", "--lr",  "1e-2",
                                       "--epochs", "6",          "--batch-size", "8",          "--out", task.w / "run"};
  std::vector<std::string> without = task.flags("finetune");
  without.insert(without.end(), training.begin(), training.end());
  const Outcome refused = run_program(without);
  CHECK(refused.exit_code == 1);  // a masked-LM has no pooler
  CHECK(refused.err.find("--modules-to-save pooler trains a new one") != std::string::npos);
  fs::remove_all(task.w / "run");
  training.insert(training.end(), {"--modules-to-save", "pooler"});
  check_verbs(task, training, "the tea is bad\tthe soup is good\nthe soup is good\tthe tea is bad\n");
  const json config = json::parse(read_text(task.w / "merged/config.json"));
  CHECK(config.at("architectures") == json({"BertForSequenceClassification"}));
}

TEST_CASE("DistilBERT: the verbs on pairs of texts") {
  const Task task("distilbert");
  check_verbs(task, {"--method", "lora", "--lr", "3e-2", "--epochs", "6", "--batch-size", "8", "--out", task.w / "run"},
              "the tea\tthe soup is good\nthe soup\tthe tea is bad\n");
  const json config = json::parse(read_text(task.w / "run/adapter/adapter_config.json"));
  CHECK(config.at("target_modules") == json({"q_lin", "v_lin"}));
  CHECK(config.at("modules_to_save") == json({"pre_classifier", "classifier"}));
  const json merged = json::parse(read_text(task.w / "merged/config.json"));
  CHECK(merged.at("architectures") == json({"DistilBertForSequenceClassification"}));
}
