// What a run guards against: damage, other inputs, other writers, deleting what is not its own, being moved, signals.
#include <doctest/doctest.h>

#include <sys/stat.h>
#include <csignal>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/apps/program.h"
#include "tests/apps/same_run.h"

using namespace lowland::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Args = std::vector<std::string>;

// Exit code 1 and one error, which holds the part.
void refused(const Outcome& o, const std::string& part) {
  INFO(o.err);
  INFO(part);
  CHECK(o.exit_code == 1);
  const size_t at = o.err.find("error: ");
  REQUIRE(at != std::string::npos);
  CHECK(o.err.find(part, at) != std::string::npos);
}

Args with(Args args, const Args& more) {
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

Outcome resume(const std::string& run) { return run_program({"finetune", "--resume", "--out", run}); }

void write(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

void flip(const std::string& path, size_t byte) {
  std::string text = read_text(path);
  text.at(byte) = static_cast<char>(text.at(byte) ^ 4);
  write(path, text);
}

// A run of two epochs whose last steps are undone: as if it had been killed after step 21 of 24.
void stop_early(const std::string& run) {
  for (const char* name : {"checkpoint-24", "adapter", "report.html"}) fs::remove_all(run + "/" + name);
}

const TestFolder& whole_run() {
  static const TestFolder* const made = [] {
    static TestFolder w;
    must(run_program(with(finetune_flags("eflat-lora", w / "run"), {"--sharpness-steps", "5"})));
    return &w;
  }();
  return *made;
}

struct Copied : TestFolder {
  Copied() { fs::copy(whole_run() / "run", *this / "run", fs::copy_options::recursive); }
};

// Its model and data are copies, to be changed.
struct OwnInputs : TestFolder {
  Args flags;
  OwnInputs() {
    fs::copy(tiny_task() / "pretrained/model", *this / "model", fs::copy_options::recursive);
    fs::copy(tiny_task() / "data/SST-2", *this / "SST-2", fs::copy_options::recursive);
    flags = with(finetune_flags("lora", *this / "run"), {"--model", *this / "model", "--data", *this / "SST-2"});
    must(run_program(flags));
    stop_early(*this / "run");
  }
};

}  // namespace

TEST_CASE("a damaged checkpoint is named, and the one before goes on to the same files") {
  for (const auto& entry : fs::directory_iterator(whole_run() / "run/checkpoint-24")) {
    const std::string name = entry.path().filename().string();
    CAPTURE(name);
    const Copied w;
    const std::string file = w / ("run/checkpoint-24/" + name);
    flip(file, fs::file_size(file) / 2);
    fs::remove_all(w / "run/adapter");
    const Outcome o = must(resume(w / "run"));
    CHECK(o.err.find("not whole: checkpoint-24: " + name +
                     " is damaged; going on from the one before, checkpoint-21") != std::string::npos);
    CHECK(run_difference(whole_run() / "run", w / "run") == "");
  }
}

TEST_CASE("missing, cut and empty checkpoints are passed over; without a whole one nothing is begun") {
  const Copied w;
  fs::remove_all(w / "run/adapter");  // not finished
  fs::remove(w / "run/checkpoint-24/trainer_state.json");
  fs::create_directory(w / "run/checkpoint-999999");
  const Outcome o = must(resume(w / "run"));
  CHECK(o.err.find("checkpoint-999999: checksums.json is missing; checkpoint-24: trainer_state.json is missing") !=
        std::string::npos);
  const Copied v;
  fs::remove_all(v / "run/adapter");
  fs::resize_file(v / "run/checkpoint-24/optimizer.safetensors", 100);
  fs::remove(v / "run/checkpoint-21/adapter_config.json");
  refused(resume(v / "run"), "no checkpoint of " + (v / "run") +
                                 " is whole (checkpoint-24: optimizer.safetensors is "
                                 "damaged; checkpoint-21: adapter_config.json is missing)");
}

TEST_CASE("a damaged line of metrics.jsonl costs that line, and is told") {
  const Copied w;
  stop_early(w / "run");
  std::string text = read_text(w / "run/metrics.jsonl");
  text[text.find('\n') + 1] = 'x';
  write(w / "run/metrics.jsonl", text + "{\"step\": 2");
  const Outcome o = must(resume(w / "run"));
  CHECK(o.err.find("metrics.jsonl: 1 line is damaged and left out (2)") != std::string::npos);
  CHECK(read_metrics(w / "run").size() + 1 == read_metrics(whole_run() / "run").size());
}

TEST_CASE("a run goes on with its own inputs only: weights, config, merges, rows, labels") {
  const std::string data = "SST-2/train.tsv";
  using Change = std::function<void(const OwnInputs&)>;
  const std::pair<std::string, Change> changes[] = {
      {"model.safetensors", [](const OwnInputs& w) { flip(w / "model/model.safetensors", 40'000); }},
      {"config.json",
       [](const OwnInputs& w) { write(w / "model/config.json", read_text(w / "model/config.json") + " "); }},
      {"merges.txt",
       [](const OwnInputs& w) {
         std::string text = read_text(w / "model/merges.txt");
         const size_t a = text.find('\n') + 1, b = text.find('\n', a) + 1, c = text.find('\n', b) + 1;
         write(w / "model/merges.txt",
               text.substr(0, a) + text.substr(b, c - b) + text.substr(a, b - a) + text.substr(c));
       }},
      {"train.tsv",
       [&](const OwnInputs& w) {
         std::string text = read_text(w / data);
         const size_t a = text.find('\n') + 1, b = text.find('\n', a) + 1;
         write(w / data, text.substr(0, a) + text.substr(b) + text.substr(a, b - a));
       }},
      {"dev.tsv", [](const OwnInputs& w) { flip(w / "SST-2/dev.tsv", 20); }},
  };
  for (const auto& [file, change] : changes) {
    const OwnInputs w;
    change(w);
    const Outcome o = resume(w / "run");
    refused(o, file);
    CHECK(o.err.find(" and was ") != std::string::npos);
  }
}

TEST_CASE("a checkpoint of other settings than run.json's is refused with both") {
  const Copied w;
  stop_early(w / "run");
  json run = json::parse(read_text(w / "run/run.json"));
  run["settings"]["rank"] = 8;
  write(w / "run/run.json", run.dump());
  refused(resume(w / "run"), "rank is now 8 and was 4");
}

TEST_CASE("one writer a run: the second is refused, and a killed one holds nothing") {
  const TestFolder w;
  const Args flags = with(finetune_flags("lora", w / "run"), {"--epochs", "100000"});
  Outcome first;
  std::thread other([&] { first = run_program(flags, {.after_ms = -1, .when = w / "stop"}); });
  while (!fs::exists(w / "run/checkpoint-3")) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const std::string pid = read_text(w / "run/.lock");
  refused(resume(w / "run"), (w / "run") + " is in use by another process (" + pid + ")");
  refused(run_program(with(flags, {"--overwrite"})), "is in use by another process");
  refused(run_program(flags), "is in use by another process");
  w.write("stop", "");
  other.join();
  CHECK(first.exit_code == kKilled);
  refused(run_program(flags), "is not empty");
  must(run_program(with(finetune_flags("lora", w / "run"), {"--overwrite"})));
  CHECK(!fs::exists(w / "run/.lock"));
}

TEST_CASE("--overwrite deletes runs only, and of a run what it wrote") {
  const OwnInputs w;
  w.write("run/notes.txt", "mine");
  const Outcome o = must(run_program(with(w.flags, {"--overwrite"})));
  CHECK(o.err.find("left alone, since no run wrote it: notes.txt") != std::string::npos);
  CHECK(read_text(w / "run/notes.txt") == "mine");
  w.write("other/thesis.tex", "mine");
  refused(run_program(with(w.flags, {"--overwrite", "--out", w / "other"})), "--overwrite deletes runs only");
  CHECK(fs::exists(w / "other/thesis.tex"));
  for (const auto& [flag, from] : {std::pair<std::string, std::string>{"model", "model"}, {"data", "SST-2"}}) {
    fs::create_directories(w / "run/inner");
    fs::copy(w / from, w / ("run/inner/" + from), fs::copy_options::recursive);
    refused(run_program(with(w.flags, {"--overwrite", "--" + flag, w / ("run/inner/" + from)})),
            "--overwrite would delete --" + flag);
  }
  refused(run_program({"finetune", "--run", w / "run", "--out", w / "run", "--overwrite"}), "would delete --adapter");
  CHECK(fs::exists(w / "run/adapter"));
  const Outcome inside =
      run_command("/usr/bin/env", with({"-C", w / "run/inner", LL_ROBERTA_PROGRAM}, with(w.flags, {"--overwrite"})));
  refused(inside, "would delete the working directory");
}

TEST_CASE("a run works from any folder, and moved together with its model") {
  const TestFolder w;
  fs::create_directories(w / "a");
  fs::copy(tiny_task() / "pretrained/model", w / "a/model", fs::copy_options::recursive);
  fs::copy(tiny_task() / "data/SST-2/train.tsv", w / "a/train.tsv");
  const auto in = [&](const std::string& folder, const Args& args) {
    return run_command("/usr/bin/env", with({"-C", w / folder, LL_ROBERTA_PROGRAM}, args));
  };
  must(in("a", {"finetune", "--model", "model", "--task", "text", "--train", "train.tsv", "--text-column", "sentence",
                "--max-steps", "2", "--threads", "1", "--out", "run"}));
  const std::string scores = must(in("a", {"evaluate", "--run", "run", "--threads", "1"})).out;
  fs::create_directories(w / "b");
  w.write("b/train.tsv", "sentence\tlabel\nno\t0\nyes\t1\n");  // of the same name, and not the run's
  CHECK(must(in("b", {"evaluate", "--run", "../a/run", "--threads", "1"})).out == scores);
  must(in("b", {"finetune", "--config", "../a/run/config.toml", "--out", "again"}));
  CHECK(run_difference(w / "a/run", w / "b/again") == "");
  fs::rename(w / "a", w / "moved");
  CHECK(must(in("b", {"evaluate", "--run", "../moved/run", "--threads", "1"})).out == scores);
  must(in("b", {"finetune", "--resume", "--out", "../moved/run"}));
  CHECK(must(in("", {"evaluate", "--run", "moved/run", "--threads", "1"})).out == scores);
}

TEST_CASE("SIGTERM and Ctrl-C: a checkpoint after the step under way, 128 + signal, and on to the same files") {
  for (const int signal : {SIGTERM, SIGINT}) {
    for (const int ms : {150, 250, 400}) {
      const TestFolder w;
      const Args flags = with(finetune_flags("eflat-lora", w / "run"), {"--sharpness-steps", "5"});
      const Outcome o = run_command(LL_ROBERTA_PROGRAM, flags, {{ms, signal}});
      CAPTURE(o.err);
      if (o.exit_code == 0) continue;
      CHECK(o.exit_code == 128 + signal);
      if (o.err.find("stopped after step ") == std::string::npos) continue;  // before the first step
      CHECK(o.err.find("go on with --resume --out " + (w / "run")) != std::string::npos);
      must(resume(w / "run"));
      CHECK(run_difference(whole_run() / "run", w / "run") == "");
    }
  }
}

TEST_CASE("an undefined score is undefined on screens and null in files, and the loss chooses") {
  const TestFolder w;
  std::string table = "text\tlabel\n";
  for (int i = 0; i < 24; ++i)
    table += "the soup tastes fine\t" + std::to_string(i % 4) + ".5\n";  // one prediction for all
  w.write("same.tsv", table);
  const Outcome o = must(
      run_program({"finetune", "--model", tiny_task() / "pretrained/model", "--task", "text", "--train", w / "same.tsv",
                   "--dev", w / "same.tsv", "--epochs", "2", "--threads", "1", "--out", w / "run"}));
  CHECK(o.err.find("pearson undefined, chosen by the loss") != std::string::npos);
  const json run = json::parse(read_text(w / "run/run.json"));
  CHECK(run.at("last").at("eval_pearson").is_null());
  CHECK(run.at("best_score").at("name") == "loss");
  CHECK(run.at("best_score").at("value").is_number());
  CHECK(must(run_program({"compare", w / "run"})).out.find("undefined") != std::string::npos);
  CHECK(read_text(w / "run/report.html").find("undefined") != std::string::npos);
}

TEST_CASE("the only step of a run trains, and a first step at learning rate 0 is told") {
  const TestFolder w;
  must(run_program(with(finetune_flags("lora", w / "one"), {"--max-steps", "1", "--logging-steps", "1"})));
  CHECK(read_metrics(w / "one").at(0).at("learning_rate") == 5e-3);
  const Outcome o = must(run_program(with(finetune_flags("lora", w / "ten"), {"--max-steps", "10"})));
  CHECK(o.err.find("warm-up: the first of 10 steps has learning rate 0") != std::string::npos);
}

TEST_CASE("control characters of labels reach no terminal; names that are not UTF-8 are refused before anything") {
  const TestFolder w;
  w.write("t.tsv", "text\tlabel\na\tgood\x1b[31m\nb\tbad\nc\tgood\x1b[31m\nd\tbad\n");
  const Args flags = {"finetune",  "--model",     tiny_task() / "pretrained/model",
                      "--task",    "text",        "--train",
                      w / "t.tsv", "--max-steps", "1",
                      "--threads", "1",           "--out",
                      w / "run"};
  const Outcome o = must(run_program(flags));
  CHECK(o.err.find('\x1b') == std::string::npos);
  refused(run_program(with(flags, {"--out", w / "tra\xe9n"})), "tra\\xe9n` is not UTF-8");
  CHECK(!fs::exists(w / "tra\xe9n"));
  fs::create_directory(w / "caf\xe9");
  refused(run_command("/usr/bin/env", with({"-C", w / "caf\xe9", LL_ROBERTA_PROGRAM}, with(flags, {"--out", "x"}))),
          "caf\\xe9` is not UTF-8");
}

TEST_CASE("pipes and devices where a file is expected are refused, not waited for") {
  const TestFolder w;
  REQUIRE(::mkfifo((w / "pipe.tsv").c_str(), 0600) == 0);
  const Args flags = {"finetune", "--model", tiny_task() / "pretrained/model", "--task", "text", "--threads", "1",
                      "--out",    w / "run"};
  refused(run_program(with(flags, {"--train", w / "pipe.tsv"})), "pipe.tsv");
  refused(run_program(with(flags, {"--config", w / "pipe.tsv"})), "pipe.tsv: it is not a file");
  refused(run_program(with(flags, {"--config", "/dev/zero"})), "/dev/zero: it is not a file");
  const Copied v;
  fs::remove(v / "run/metrics.jsonl");
  REQUIRE(::mkfifo((v / "run/metrics.jsonl").c_str(), 0600) == 0);
  refused(run_program({"compare", v / "run"}), "metrics.jsonl: it is not a file");
}

TEST_CASE("compare names the file whose content no run writes") {
  const std::pair<std::string, std::string> wrong[] = {{"run.json", "{"},
                                                       {"run.json", "5"},
                                                       {"run.json", R"({"settings": {"method": 5}})"},
                                                       {"run.json", R"({"settings": {}, "peak_bytes": "many"})"},
                                                       {"landscape.json", R"({"at": 1, "loss": {}})"}};
  for (const auto& [file, text] : wrong) {
    const Copied w;
    write(w / ("run/" + file), text);
    refused(run_program({"compare", whole_run() / "run", w / "run"}), w / ("run/" + file));
  }
}
