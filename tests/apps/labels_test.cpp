// Whose labels count: those of what was trained, never those of whatever file is read; and no verb but finetune makes a
// head.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "tests/apps/program.h"

using namespace lowland::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Arguments = std::vector<std::string>;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

double loss(const Arguments& flags) { return json::parse(must(run_program(flags)).out).at("eval_loss").get<double>(); }

// Rows of three classes. Without those of one class, and with two of them called by each other's names.
struct Rows {
  std::string three = "text,label\n", two = three, exchanged = three, ids = three;
  Rows() {
    const char* const words[] = {"bad", "fine", "great"};
    for (int i = 0; i < 24; ++i) {
      const std::string text = std::string("the soup is ") + words[i % 3] + ",";
      three += text + "amz"[i % 3] + '\n';
      if (i % 3 != 0) two += text + "amz"[i % 3] + '\n';
      exchanged += text + "zma"[i % 3] + '\n';
      ids += text + ' ' + "012"[i % 3] + '\n';
    }
  }
};

// A few steps on them, by all weights, at `run`.
const TestFolder& three_classes() {
  static const TestFolder* const made = [] {
    static TestFolder w;
    const Rows rows;
    w.write("three.csv", rows.three);
    w.write("two.csv", rows.two);
    w.write("exchanged.csv", rows.exchanged);
    w.write("ids.csv", rows.ids);
    must(run_program({"finetune",
                      "--model",
                      tiny_task() / "pretrained/model",
                      "--task",
                      "text",
                      "--train",
                      w / "three.csv",
                      "--dev",
                      w / "three.csv",
                      "--epochs",
                      "3",
                      "--batch-size",
                      "8",
                      "--lr",
                      "3e-3",
                      "--method",
                      "full",
                      "--threads",
                      "1",
                      "--out",
                      w / "run"}));
    return &w;
  }();
  return *made;
}

void rename_labels(const fs::path& model, const json& names) {
  const json config = json::parse(read_text((model / "config.json").string()));
  json changed = config;
  changed["id2label"] = names;
  changed["label2id"] = json::object();
  for (const auto& [id, name] : names.items()) changed["label2id"][name.get<std::string>()] = std::stoi(id);
  std::ofstream(model / "config.json") << changed.dump();
}

}  // namespace

TEST_CASE("labels: the trained model's, whichever split and file are asked") {
  const TestFolder& w = three_classes();
  CHECK(loss({"evaluate", "--run", w / "run", "--split", "train", "--train", w / "two.csv"}) ==
        loss({"evaluate", "--run", w / "run", "--dev", w / "two.csv"}));
  const TestFolder other;
  fs::copy(w / "run/model", other / "model");
  const auto of = [&](const char* file) {
    return loss({"evaluate", "--model", other / "model", "--task", "text", "--split", "train", "--train", w / file});
  };
  const double right = of("three.csv"), wrong = of("exchanged.csv");
  CHECK(right != wrong);
  rename_labels(other / "model", {{"0", "z"}, {"1", "m"}, {"2", "a"}});
  CHECK(of("exchanged.csv") == right);
  CHECK(of("three.csv") == wrong);
  rename_labels(other / "model", {{"0", "LABEL_0"}, {"1", "LABEL_1"}, {"2", "LABEL_2"}});
  CHECK(of("ids.csv") == right);
  const Outcome o = run_program({"evaluate", "--model", other / "model", "--task", "text", "--dev", w / "two.csv"});
  CHECK(o.exit_code == 1);
  CHECK(contains(o.err, "two.csv:2: label `m` is not one of task text: 0 (LABEL_0), 1 (LABEL_1), 2 (LABEL_2)"));
}

TEST_CASE("labels: training goes on in the checkpoint's order, and says what it takes them for") {
  const TestFolder& w = three_classes();
  const TestFolder other;
  fs::copy(w / "run/model", other / "model");
  rename_labels(other / "model", {{"0", "m"}, {"1", "z"}, {"2", "a"}});
  const Outcome o =
      must(run_program({"finetune", "--model", other / "model", "--task", "text", "--train", w / "three.csv", "--dev",
                        w / "three.csv", "--max-steps", "1", "--threads", "1", "--out", other / "run"}));
  CHECK(contains(o.err, "labels: 3 classes: m, z, a"));
  CHECK_FALSE(contains(o.err, "a new one is drawn"));
  CHECK(json::parse(read_text(other / "run/adapter/lowland.json")).at("id2label") ==
        json({{"0", "m"}, {"1", "z"}, {"2", "a"}}));
  other.write("scores.csv", "text,label\na,0.5\nb, 1\nc,2\n");
  const Outcome scores = must(run_program({"inspect", "--model", tiny_task() / "pretrained/model", "--task", "text",
                                           "--train", other / "scores.csv", "--dev", other / "scores.csv"}));
  CHECK(contains(scores.err, "labels: numbers, a regression"));
}

TEST_CASE("labels: a head that was trained for as many others is told") {
  const TestFolder& w = three_classes();
  const TestFolder other;
  other.write("other.csv", "text,label\na,x\nb,y\nc,w\na,x\nb,y\nc,w\n");
  const std::string told = "was trained for the labels a, m, z: its head goes on from them";
  const Arguments flags = {"finetune",    "--model", w / "run/model", "--task", "text",
                           "--max-steps", "1",       "--threads",     "1"};
  Arguments others = flags, same = flags;
  others.insert(others.end(), {"--train", other / "other.csv", "--dev", other / "other.csv", "--out", other / "run"});
  same.insert(same.end(), {"--train", w / "three.csv", "--dev", w / "three.csv", "--out", other / "same"});
  CHECK(contains(must(run_program(others)).err, told));
  CHECK_FALSE(contains(must(run_program(same)).err, told));
}

TEST_CASE("labels: only finetune draws a head") {
  const TestFolder& w = three_classes();
  const TestFolder other;
  const std::string base = tiny_task() / "pretrained/model";
  other.write("lines.txt", "the soup is fine\n");
  const auto refused = [](const Arguments& flags, const std::string& why) {
    const Outcome o = run_program(flags);
    CHECK(o.exit_code == 1);
    CHECK_MESSAGE(contains(o.err, why), o.err);
  };
  refused({"predict", "--model", base, other / "lines.txt"}, base + " has no trained head for 2 labels");
  refused({"evaluate", "--model", base, "--task", "sst2", "--data", tiny_task() / "data"}, "has no trained head");
  refused({"probe", "--model", base, "--task", "sst2", "--data", tiny_task() / "data"}, "has no trained head");
  refused({"evaluate", "--model", w / "run/model", "--task", "sst2", "--data", tiny_task() / "data"},
          "was trained for the labels a, m, z, not for those of task sst2");
  fs::copy(w / "run/model", other / "model");
  rename_labels(other / "model", {{"0", "a"}, {"1", "b"}});
  refused({"predict", "--model", other / "model", other / "lines.txt"},
          "`classifier.out_proj.bias` has shape (3), which is no head for 2 labels");
}
