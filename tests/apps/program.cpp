#include "tests/apps/program.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "kernels/common/philox.h"

namespace lowland::test {
namespace fs = std::filesystem;

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in.good(), "there is no ", path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

namespace {

// Waits for a program that was started, and kills it when it is told to.
int wait_for(pid_t child, const Kill& kill) {
  int status = 0;
  if (kill.after_ms >= 0) std::this_thread::sleep_for(std::chrono::milliseconds(kill.after_ms));
  while (!kill.when.empty() && !fs::exists(kill.when)) {
    const pid_t ended = waitpid(child, &status, WNOHANG);
    REQUIRE(ended >= 0);
    if (ended == child) return status;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (kill.after_ms >= 0 || !kill.when.empty()) ::kill(child, SIGKILL);
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

// wait: to the end of the child; its status.
Outcome run(std::string program, const std::vector<std::string>& args, const std::function<int(pid_t child)>& wait) {
  static int runs = 0;
  const std::string name = "lowland_out_" + std::to_string(getpid()) + "_" + std::to_string(++runs);
  const std::string stem = fs::temp_directory_path() / name;
  const int out = open((stem + ".out").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const int err = open((stem + ".err").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    std::vector<char*> argv;
    argv.push_back(program.data());
    std::vector<std::string> copy = args;
    for (std::string& a : copy) argv.push_back(a.data());
    argv.push_back(nullptr);
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  close(out);
  close(err);
  const int status = wait(child);
  Outcome outcome;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.out = read_text(stem + ".out");
  outcome.err = read_text(stem + ".err");
  fs::remove(stem + ".out");
  fs::remove(stem + ".err");
  return outcome;
}

Outcome run(const std::string& program, const std::vector<std::string>& args, const Kill& kill) {
  return run(program, args, [&](pid_t child) { return wait_for(child, kill); });
}

}  // namespace

Outcome run_command(const std::string& program, const std::vector<std::string>& args,
                    const std::vector<std::pair<int, int>>& signals) {
  return run(program, args, [&](pid_t child) {
    for (const auto& [ms, number] : signals) {
      std::this_thread::sleep_for(std::chrono::milliseconds(ms));
      ::kill(child, number);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return status;
  });
}

Outcome run_program(const std::vector<std::string>& args, const Kill& kill) {
  return run(LL_ROBERTA_PROGRAM, args, kill);
}

Outcome run_llama(const std::vector<std::string>& args, const Kill& kill) { return run(LL_LLAMA_PROGRAM, args, kill); }

Outcome run_vlm(const std::vector<std::string>& args, const Kill& kill) { return run(LL_VLM_PROGRAM, args, kill); }

void run_until(const std::string& checkpoint, const std::vector<std::string>& args,
               Outcome (*program)(const std::vector<std::string>&, const Kill&)) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    fs::remove_all(fs::path(checkpoint).parent_path());
    const Outcome o = program(args, {.after_ms = -1, .when = checkpoint});
    if (o.exit_code == kKilled) return;
    INFO(o.err);
    REQUIRE(o.exit_code == 0);
  }
  FAIL("ten times the run was over before it was killed");
}

Outcome must(const Outcome& outcome) {
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  return outcome;
}

TestFolder::TestFolder() {
  static int count = 0;
  path_ = fs::temp_directory_path() / ("lowland_test_" + std::to_string(getpid()) + "_" + std::to_string(++count));
  fs::create_directories(path_);
}

TestFolder::~TestFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void TestFolder::write(const std::string& name, const std::string& text) const {
  fs::create_directories((path_ / name).parent_path());
  std::ofstream(path_ / name, std::ios::binary) << text;
}

namespace {

// "the warm soup tastes fine" and the like: the class is that of the last word.
std::string sentence(uint64_t i) {
  const char* const nouns[] = {"soup", "bread", "cake", "tea", "salad", "rice"};
  const char* const verbs[] = {"tastes", "smells", "looks", "seems"};
  const char* const good[] = {"fine", "lovely", "great"};
  const char* const bad[] = {"awful", "stale", "burnt"};
  const uint64_t r = mix64(i);
  const char* last = i % 2 == 0 ? good[r / 64 % 3] : bad[r / 64 % 3];
  return std::string("the ") + nouns[r % 6] + " " + verbs[r / 8 % 4] + " " + last;
}

std::string table(uint64_t first, uint64_t count) {
  std::string text = "sentence\tlabel\n";
  for (uint64_t i = first; i < first + count; ++i) text += sentence(i) + "\t" + (i % 2 == 0 ? "1" : "0") + "\n";
  return text;
}

}  // namespace

const TestFolder& tiny_task() {
  static const TestFolder* const made = [] {
    static TestFolder w;
    std::string text;
    for (uint64_t i = 0; i < 60; ++i) text += sentence(1000 + i) + " .\n\n";
    w.write("text.txt", text);
    w.write("config.json",
            R"({"model_type":"roberta","hidden_size":32,"num_hidden_layers":2,"num_attention_heads":2,)"
            R"("intermediate_size":64,"max_position_embeddings":34,"type_vocab_size":1,"vocab_size":300,)"
            R"("layer_norm_eps":1e-5,"pad_token_id":1,"bos_token_id":0,"eos_token_id":2})");
    w.write("data/SST-2/train.tsv", table(0, 96));
    w.write("data/SST-2/dev.tsv", table(5000, 40));
    const Outcome o =
        run_program({"pretrain", "--text", w / "text.txt", "--model-config", w / "config.json", "--vocab-size", "300",
                     "--epochs", "2", "--batch-size", "8", "--threads", "1", "--out", w / "pretrained"});
    INFO(o.err);
    REQUIRE(o.exit_code == 0);
    return &w;
  }();
  return *made;
}

std::vector<std::string> finetune_flags(const std::string& method, const std::string& out) {
  const TestFolder& w = tiny_task();
  return {"finetune",
          "--model",
          w / "pretrained/model",
          "--data",
          w / "data",
          "--task",
          "sst2",
          "--method",
          method,
          "--rank",
          "4",
          "--lr",
          method == "full" ? "5e-4" : "5e-3",
          "--epochs",
          "2",
          "--batch-size",
          "8",
          "--lora-dropout",
          method == "full" ? "0" : "0.1",
          "--save-steps",
          "3",
          "--eval-steps",
          "5",
          "--logging-steps",
          "4",
          "--seed",
          "7",
          "--threads",
          "1",
          "--out",
          out};
}

std::vector<nlohmann::json> read_metrics(const std::string& run) {
  std::vector<nlohmann::json> lines;
  std::istringstream in(read_text(run + "/metrics.jsonl"));
  for (std::string line; std::getline(in, line);) {
    nlohmann::json object = nlohmann::json::parse(line);
    for (const char* time : {"tokens_per_s", "step_ms"}) object.erase(time);
    lines.push_back(std::move(object));
  }
  return lines;
}

}  // namespace lowland::test
