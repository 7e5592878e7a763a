// Every file operation below --out fails once: the process is killed before it, the disk says EIO or ENOSPC, a write
// takes half. What goes on afterwards ends with the files of a run that was left alone, all of them.
//   tests_faults                                a few operations of each kind (CI)
//   tests_faults --no-skip -tc='every *'        all of them (run.sh, which runs the kinds side by side)
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <sstream>

#include "apps/train/checksums.h"
#include "tests/apps/flat_picture.h"
#include "tests/apps/program.h"
#include "tests/apps/same_run.h"

using namespace lowland::test;
namespace fs = std::filesystem;

namespace {

using Args = std::vector<std::string>;

struct Subject {
  std::string name, program;
  std::function<Args(const std::string& out)> args;  // out: a folder of its own; all is written below it
  bool resumes = true;
};

Args flags_of_finetune(const std::string& out) {
  Args flags = finetune_flags("eflat-lora", out + "/run");
  flags.insert(flags.end(), {"--sharpness-steps", "6"});
  return flags;
}

Args flags_of_pretrain(const std::string& out) {
  const TestFolder& w = tiny_task();
  return {"pretrain",
          "--text",
          w / "text.txt",
          "--model-config",
          w / "config.json",
          "--vocab-size",
          "300",
          "--epochs",
          "1",
          "--batch-size",
          "16",
          "--save-steps",
          "2",
          "--dev",
          w / "text.txt",
          "--eval-steps",
          "3",
          "--threads",
          "1",
          "--out",
          out + "/run"};
}

const TestFolder& finetuned() {
  static const TestFolder* const made = [] {
    static TestFolder w;
    must(run_program(finetune_flags("lora", w / "run")));
    return &w;
  }();
  return *made;
}

// A LLaVA of nothing much, and questions about twelve pictures.
const TestFolder& pictures() {
  static const TestFolder* const made = [] {
    static TestFolder w;
    std::string train, text;
    for (int i = 0; i < 12; ++i) {
      const std::string file =
          std::string("classes/") + (i % 2 == 0 ? "red" : "blue") + "/" + std::to_string(i) + ".png";
      w.write(file, flat_picture(10, {i % 2 == 0 ? 200 + i : 5, 20, i % 2 == 0 ? 5 : 200 + i}));
      train += nlohmann::json{{"image", file}, {"question", "which?"}, {"answer", i % 2 == 0 ? "red" : "blue"}}.dump();
      train += "\n";
      text += "USER: which? ASSISTANT: red blue\n\n";
    }
    w.write("train.jsonl", train);
    w.write("text.txt", text);
    w.write("vision.json", R"({"model_type":"clip_vision_model","hidden_size":16,"intermediate_size":32,
        "num_hidden_layers":2,"num_attention_heads":2,"image_size":8,"patch_size":4})");
    w.write("language.json", R"({"model_type":"llama","hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,
        "num_attention_heads":4,"max_position_embeddings":64,"vocab_size":300,"initializer_range":0.1})");
    must(run_vlm({"pretrain", "--class-dir", w / "classes", "--model-config", w / "vision.json", "--max-steps", "1",
                  "--threads", "1", "--out", w / "vision"}));
    must(run_llama({"pretrain", "--text", w / "text.txt", "--model-config", w / "language.json", "--vocab-size", "280",
                    "--max-steps", "1", "--threads", "1", "--out", w / "language"}));
    must(run_vlm({"pretrain", "--vision-model", w / "vision/model", "--language-model", w / "language/model", "--task",
                  "vqa", "--train", w / "train.jsonl", "--max-steps", "1", "--threads", "1", "--out", w / "base"}));
    return &w;
  }();
  return *made;
}

Args flags_of_pictures(const std::string& out) {
  const TestFolder& w = pictures();
  return {"finetune",
          "--model",
          w / "base/model",
          "--train",
          w / "train.jsonl",
          "--cache-features",
          out + "/features",
          "--epochs",
          "2",
          "--batch-size",
          "4",
          "--save-steps",
          "2",
          "--threads",
          "1",
          "--out",
          out + "/run"};
}

std::vector<Subject> subjects() {
  return {{"finetune", LL_ROBERTA_PROGRAM, flags_of_finetune},
          {"pretrain", LL_ROBERTA_PROGRAM, flags_of_pretrain},
          {"features", LL_VLM_PROGRAM, flags_of_pictures},
          {"merge", LL_ROBERTA_PROGRAM,
           [](const std::string& out) -> Args {
             return {
                 "merge", "--model",      tiny_task() / "pretrained/model", "--adapter", finetuned() / "run/adapter",
                 "--out", out + "/merged"};
           },
           false}};
}

Outcome run_failing(const Subject& s, const std::string& out, const std::string& kind, size_t at,
                    const std::string& log = "") {
  Args args{"LD_PRELOAD=" LL_FAULTS,
            "LL_FAULT_ROOT=" + out,
            "LL_FAULT_LOG=" + log,
            "LL_FAULT_KIND=" + kind,
            "LL_FAULT_AT=" + std::to_string(at),
            s.program};
  for (std::string& arg : s.args(out)) args.push_back(std::move(arg));
  return run_command("/usr/bin/env", args);
}

// As a user goes on after a failure.
Outcome go_on(const Subject& s, const std::string& out) {
  const std::string run = out + "/run";
  Args args = s.args(out);
  if (s.resumes && fs::exists(run + "/run.json")) args = {args.front(), "--resume", "--out", run};
  // A folder that is written at once is there as a whole: there is nothing left to do.
  if (!s.resumes && fs::exists(args.back())) return {};
  return run_command(s.program, args);
}

void check_whole_checkpoints(const std::string& run) {
  if (!fs::exists(run)) return;
  for (const auto& entry : fs::directory_iterator(run))
    if (entry.path().filename().string().starts_with("checkpoint-"))
      CHECK(lowland::apps::checksum_fault(entry.path()) == "");
}

// The operations in the order of a run that is left alone; its files stay in W/whole.
std::vector<std::string> operations(const Subject& s, const TestFolder& w) {
  fs::create_directories(w / "out");
  must(run_failing(s, w / "out", "", 0, w / "log"));
  fs::rename(w / "out", w / "whole");
  std::vector<std::string> lines;
  std::istringstream log(read_text(w / "log"));
  for (std::string line; std::getline(log, line);) lines.push_back(line);
  return lines;
}

// How often the faulty run ended by itself, for the figures.
int fail_at(const Subject& s, const TestFolder& w, const std::string& kind, size_t at) {
  fs::remove_all(w / "out");
  fs::create_directories(w / "out");
  const Outcome o = run_failing(s, w / "out", kind, at);
  INFO(o.err);
  const bool error = o.exit_code == 1 && o.err.find("error: ") != std::string::npos;
  if (kind == "kill") CHECK(o.exit_code == 128 + 9);
  if (kind == "short") CHECK(o.exit_code == 0);
  if (kind == "eio" || kind == "enospc") CHECK((o.exit_code == 0 || error));
  check_whole_checkpoints(w / "out/run");
  const Outcome rest = go_on(s, w / "out");
  INFO(rest.err);
  CHECK(rest.exit_code == 0);
  for (const auto& entry : fs::directory_iterator(w / "whole")) {
    const std::string name = entry.path().filename().string();
    if (name != "features") CHECK(run_difference(entry.path(), w / ("out/" + name)) == "");
  }
  return o.exit_code == 0 ? 1 : 0;
}

void fail_often(size_t most, const std::vector<std::string>& kinds) {
  for (const Subject& s : subjects()) {
    const TestFolder w;
    const std::vector<std::string> all = operations(s, w);
    REQUIRE(all.size() > 10);
    const size_t step = std::max<size_t>(1, all.size() / most);
    for (const std::string& kind : kinds) {
      int points = 0, survived = 0;
      for (size_t at = 1 + all.size() % step / 2; at <= all.size(); at += step) {
        const std::string& operation = all[at - 1];
        if (kind == "short" && operation.find(" write") == std::string::npos) continue;
        CAPTURE(kind);
        CAPTURE(operation);
        survived += fail_at(s, w, kind, at);
        ++points;
      }
      MESSAGE(s.name << ": " << all.size() << " operations, " << kind << " at " << points << ", ended well "
                     << survived);
    }
  }
}

}  // namespace

TEST_CASE("some faults: what goes on afterwards ends with the same files") {
  fail_often(5, {"kill", "eio", "enospc", "short"});
}

constexpr size_t kAll = size_t{1} << 20;
TEST_CASE("every fault: killed" * doctest::skip()) { fail_often(kAll, {"kill"}); }
TEST_CASE("every fault: EIO" * doctest::skip()) { fail_often(kAll, {"eio"}); }
TEST_CASE("every fault: a full disk" * doctest::skip()) { fail_often(kAll, {"enospc"}); }
TEST_CASE("every fault: a short write" * doctest::skip()) { fail_often(kAll, {"short"}); }
