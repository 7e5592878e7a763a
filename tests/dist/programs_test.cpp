// The programs over several processes, as --nproc, mpirun and hands start them: the numbers of one process, and one
// sentence from each where something goes wrong.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <fstream>
#include <iterator>
#include <thread>

#include "engine/io/safetensors.h"
#include "tests/apps/flat_picture.h"
#include "tests/apps/program.h"
#include "tests/apps/same_run.h"
#include "tests/dist/ranks.h"

using namespace lowland::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Args = std::vector<std::string>;

Args with(Args args, const Args& more) {
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

// The lines of two runs: the same keys, losses within `tolerance`.
void check_near(const std::string& a, const std::string& b, double tolerance = 1e-5) {
  const std::vector<json> one = read_metrics(a), other = read_metrics(b);
  REQUIRE(one.size() == other.size());
  for (size_t i = 0; i < one.size(); ++i) {
    REQUIRE(one[i].size() == other[i].size());
    for (const auto& [key, value] : one[i].items()) {
      const std::string what = key;
      CAPTURE(what);
      CAPTURE(i);
      if (value.is_number()) CHECK(std::abs(value.get<double>() - other[i].at(key).get<double>()) < tolerance);
    }
  }
}

json info_of(const std::string& run) { return json::parse(read_text(run + "/run.json")); }

// Sends a signal to process `rank` of the run as soon as there is such a folder. False: it was over before.
bool signal_rank(const std::string& run, int rank, const std::string& when, int number, const std::atomic<bool>& over) {
  const auto file_of = [](const fs::path& process, const char* name) {
    std::ifstream in(process / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  while (!over) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (!fs::exists(when)) continue;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      if (file_of(entry.path(), "cmdline").find(run) == std::string::npos) continue;
      const std::string variables = '\0' + file_of(entry.path(), "environ");
      if (variables.find(std::string("\0RANK=", 6) + std::to_string(rank) + '\0') == std::string::npos) continue;
      ::kill(std::stoi(entry.path().filename()), number);
      return true;
    }
  }
  return false;
}

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("lowland-roberta by several processes: losses and scores of one, dropout and all, the same run twice") {
  const TestFolder w;
  for (const char* method : {"lora", "eflat-lora", "flat-lora", "full"}) {
    CAPTURE(method);
    const std::string m = method, one = w / (m + "1");
    must(run_program(finetune_flags(method, one)));
    for (const char* n : {"2", "3"}) {
      const Outcome o = must(run_program(with(finetune_flags(method, w / (m + n)), {"--nproc", n})));
      check_near(one, w / (m + n));
      CHECK(info_of(w / (m + n)).at("processes") == std::stoi(n));
      CHECK(o.err.find(std::string(n) + " processes over TCP") != std::string::npos);
      CHECK(count(o.err, "trainable params") == 1);  // one of them tells
    }
  }
  must(run_program(with(finetune_flags("eflat-lora", w / "again"), {"--nproc", "2"})));
  CHECK(run_difference(w / "eflat-lora2", w / "again") == "");
  // More processes than a step has examples, and steps that end short.
  const Args few = {"--batch-size", "3", "--max-train-samples", "10", "--max-steps", "6"};
  must(run_program(with(finetune_flags("flat-lora", w / "few1"), few)));
  must(run_program(with(with(finetune_flags("flat-lora", w / "few4"), few), {"--nproc", "4"})));
  check_near(w / "few1", w / "few4");
  const auto same_out = [](const Args& args, const char* n) {
    const Outcome one = must(run_program(args)), several = must(run_program(with(args, {"--nproc", n})));
    CHECK(several.out == one.out);
    CHECK(one.out.size() > 20);
  };
  const Args of_run = {"--run", w / "lora1", "--batch-size", "7", "--threads", "1"};
  same_out(with({"evaluate"}, of_run), "3");
  w.write("lines.txt", "good\nbad\nfine and good\nnot so bad\nwell\nill\nnone\nno\n");
  same_out(with({"predict", w / "lines.txt"}, with(of_run, {"--batch-size", "3"})), "2");
  // Probes sum gradients in another order.
  const Args probed = with({"probe", "--probe-examples", "40"}, of_run);
  const json one = json::parse(must(run_program(probed)).out),
             two = json::parse(must(run_program(with(probed, {"--nproc", "2"}))).out);
  for (const char* key : {"loss", "sharpness", "gradient_norm", "cosine"})
    CHECK(two.at(key).get<double>() == doctest::Approx(one.at(key).get<double>()).epsilon(1e-3));
}

TEST_CASE("lowland-roberta by several: killed, hung, and gone on with by another number") {
  const TestFolder w;
  const Args settings = {"--epochs", "12", "--eval-steps", "1000"};
  const std::string whole = w / "whole";
  must(run_program(with(finetune_flags("eflat-lora", whole), settings)));
  for (const bool hangs : {false, true}) {
    CAPTURE(hangs);
    const std::string run = w / (hangs ? "hung" : "killed");
    std::atomic<bool> over{false}, sent{false};
    std::thread watcher([&] { sent = signal_rank(run, 1, run + "/checkpoint-3", hangs ? SIGSTOP : SIGKILL, over); });
    const auto start = std::chrono::steady_clock::now();
    const Outcome o =
        run_program(with(with(finetune_flags("eflat-lora", run), settings), {"--nproc", "3", "--dist-timeout", "2"}));
    over = true;
    watcher.join();
    INFO(o.err);
    REQUIRE(sent);
    CHECK(o.exit_code != 0);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(90));
    const std::string sentence = hangs ? "rank 1 of 3 has not answered for 2 s" : "rank 1 of 3 has ended";
    CHECK(count(o.err, sentence) == 2);  // from each of the others
    CHECK(o.err.find("error: rank 2: ") != std::string::npos);
    must(run_program({"finetune", "--out", run, "--resume", "--nproc", "2"}));
    check_near(whole, run);
  }
  // All of them at once.
  const std::string all = w / "all";
  run_until(all + "/checkpoint-6", with(with(finetune_flags("eflat-lora", all), settings), {"--nproc", "2"}),
            run_program);
  for (int tries = 0; tries < 200; ++tries) {  // they die with the one that started them
    const Outcome o = run_program({"finetune", "--out", all, "--resume"});
    if (o.err.find("in use by another process") == std::string::npos) {
      must(o);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  check_near(whole, all);
  // Asked to stop, all end after the same step.
  const std::string stopped = w / "stopped";
  std::atomic<bool> over{false};
  std::thread watcher([&] { signal_rank(stopped, 1, stopped + "/checkpoint-3", SIGTERM, over); });
  const Outcome o = run_program(with(with(finetune_flags("eflat-lora", stopped), settings), {"--nproc", "2"}));
  over = true;
  watcher.join();
  INFO(o.err);
  CHECK(o.exit_code == 128 + SIGTERM);
  CHECK(o.err.find("go on with --resume") != std::string::npos);
  must(run_program({"finetune", "--out", stopped, "--resume", "--nproc", "2"}));
  check_near(whole, stopped);
}

TEST_CASE("several processes that cannot be one run are refused, each in a sentence") {
  const TestFolder w;
  const Args half = with({"RANK=1", "WORLD_SIZE=2", LL_ROBERTA_PROGRAM}, finetune_flags("lora", w / "half"));
  const Outcome alone = run_command("/usr/bin/env", half);
  CHECK(alone.exit_code == 1);
  CHECK(alone.err.find("error: rank 1: RANK says that this is process 1 of 2, but MASTER_ADDR is not set") == 0);
  const Outcome two =
      run_command("/usr/bin/env", with({"RANK=1", "OMPI_COMM_WORLD_RANK=0"}, {half.begin() + 1, half.end()}));
  CHECK(two.err.find("RANK is 1 and OMPI_COMM_WORLD_RANK is 0: two launchers contradict") != std::string::npos);
  const Outcome counts = run_command("/usr/bin/env", with(half, {"--nproc", "3"}));
  CHECK(counts.err.find("--nproc 3, but RANK says that there are 2 processes already") != std::string::npos);
  const Outcome predicts =
      run_command("/usr/bin/env", {"RANK=1", "WORLD_SIZE=2", LL_ROBERTA_PROGRAM, "inspect", "--model", "x"});
  CHECK(predicts.err.find("inspect works in one process, and RANK says that this is one of 2") != std::string::npos);

  // Two that meet, as torchrun would start them, and are given different things to do.
  const auto meet = [&](const Args& first, const Args& second) {
    static int runs = 0;
    const int number = ++runs;
    const Meeting port;  // free, and closed again for the program
    ::close(port.listener);
    std::vector<Outcome> outcomes(2);
    std::vector<std::thread> threads;
    for (int r = 0; r < 2; ++r) {
      Args args = {"RANK=" + std::to_string(r), "WORLD_SIZE=2", "MASTER_ADDR=localhost",
                   "MASTER_PORT=" + std::to_string(port.port), LL_ROBERTA_PROGRAM};
      args = with(with(args, finetune_flags("lora", w / ("met" + std::to_string(number)))), {"--dist-timeout", "60"});
      args = with(args, r == 0 ? first : second);
      threads.emplace_back(
          [&outcomes, args, r] { outcomes[static_cast<size_t>(r)] = run_command("/usr/bin/env", args); });
    }
    for (std::thread& t : threads) t.join();
    return outcomes;
  };
  for (const Outcome& o : meet({}, {})) must(o);
  CHECK(fs::exists(w / "met1/adapter"));
  for (const Outcome& o : meet({"--lr", "0.01"}, {"--lr", "0.02"})) {
    CHECK(o.exit_code == 1);
    CHECK(o.err.find("rank 1 is not as rank 0: lr is 0.02 and there 0.01") != std::string::npos);
  }
  CHECK(!fs::exists(w / "met2"));  // nothing was written
  fs::copy(tiny_task() / "data", w / "data", fs::copy_options::recursive);
  std::ofstream(w / "data/SST-2/train.tsv", std::ios::app) << "one more\t1\n";
  for (const Outcome& o : meet({}, {"--data", w / "data", "--max-train-samples", "96"})) {
    CHECK(o.exit_code == 1);
    CHECK(o.err.find("rank 1 is not as rank 0: ") != std::string::npos);
  }
  // The first cannot write: the other is told why.
  w.write("met4", "a file");
  const std::vector<Outcome> full = meet({}, {});
  CHECK(full[0].err.find("is a file, not a folder") != std::string::npos);
  CHECK(full[1].err.find("rank 0 ended: ") != std::string::npos);
  CHECK(full[1].exit_code == 1);
}

TEST_CASE("lowland-llama and lowland-vlm by several processes") {
  const TestFolder w;
  std::string text, train;
  for (int i = 0; i < 40; ++i) {
    const std::string prompt = "the colour of number " + std::to_string(i % 9) + " is",
                      answer = i % 3 ? " red" : " blue or so";
    text += prompt + answer + "\n\n";
    train += json{{"prompt", prompt}, {"completion", answer}}.dump() + "\n";
  }
  w.write("text.txt", text);
  w.write("train.jsonl", train);
  w.write("config.json",
          R"({"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,)"
          R"("num_attention_heads": 4, "max_position_embeddings": 64, "vocab_size": 300, "initializer_range": 0.1})");
  const Args pretrain = {"pretrain",
                         "--text",
                         w / "text.txt",
                         "--model-config",
                         w / "config.json",
                         "--vocab-size",
                         "300",
                         "--epochs",
                         "3",
                         "--lr",
                         "5e-3",
                         "--batch-size",
                         "8",
                         "--threads",
                         "1",
                         "--out"};
  must(run_llama(with(pretrain, {w / "base"})));
  must(run_llama(with(pretrain, {w / "base2", "--nproc", "2"})));
  check_near(w / "base", w / "base2");
  const auto tune = [&](const std::string& out, const Args& more) {
    return with({"finetune", "--model", w / "base/model", "--train", w / "train.jsonl", "--method", "lora-sam",
                 "--lora-dropout", "0.1", "--batch-size", "2", "--grad-accum", "4", "--epochs", "2", "--threads", "1",
                 "--out", w / out},
                more);
  };
  must(run_llama(tune("one", {})));
  must(run_llama(tune("three", {"--nproc", "3"})));
  check_near(w / "one", w / "three");
  // The base in parts: the same bytes, with blocks that are made again and quantised ones too.
  for (const Args& more : {Args{}, Args{"--recompute", "block", "--weights-dtype", "nf4"}}) {
    const std::string whole = more.empty() ? "three" : "whole4", parts = more.empty() ? "parts" : "parts4";
    if (!more.empty()) must(run_llama(tune(whole, with(more, {"--nproc", "3"}))));
    must(run_llama(tune(parts, with(more, {"--nproc", "3", "--shard-base"}))));
    CHECK(run_difference(w / whole, w / parts) == "");
    const json info = info_of(w / parts);
    const double peak = info.at("peak_bytes"), planned = info.at("planned_peak_bytes");
    CHECK(peak == doctest::Approx(planned).epsilon(0.1));
  }
  must(run_llama({"finetune", "--out", w / "parts", "--resume", "--nproc", "2", "--shard-base"}));
  for (const Args& more : {Args{"--method", "full"}, Args{"--init-lora-weights", "pissa"}, Args{"--use-dora"}})
    CHECK(run_llama(tune("refused", with(more, {"--shard-base"}))).err.find("error: --shard-base") == 0);

  std::string prompts;
  for (int i = 0; i < 7; ++i) prompts += "the colour of number " + std::to_string(i) + " is\n";
  w.write("prompts.txt", prompts);
  for (const Args& args : {Args{"generate", "--prompts", w / "prompts.txt", "--run", w / "one", "--max-new-tokens", "6",
                                "--batch-size", "2", "--threads", "1"},
                           Args{"evaluate", "--run", w / "one", "--generate", "--max-new-tokens", "6", "--batch-size",
                                "2", "--threads", "1"}}) {
    const Outcome one = must(run_llama(args)), two = must(run_llama(with(args, {"--nproc", "2"})));
    CHECK(two.out == one.out);
    CHECK(one.out.size() > 100);
  }
  const Args foretold = {"inspect",   "--model", w / "base/model", "--train", w / "train.jsonl", "--show", "0",
                         "--threads", "1",       "--world-size",   "4",       "--interconnect",  "pcie"};
  const Outcome cost = must(run_llama(foretold));
  CHECK(cost.out.find("a step of 4 processes over pcie, ") != std::string::npos);
  CHECK(cost.out.find("sum of gradients, ") != std::string::npos);
  CHECK(run_llama(with(foretold, {"--tflops", "0"})).err.find("--tflops must be more than 0") != std::string::npos);
  CHECK(run_llama(with(foretold, {"--world-size", "0"})).err.find("--world-size must be at least 1") !=
        std::string::npos);

  std::string questions;
  for (int i = 0; i < 12; ++i) {
    const std::string file = "pictures/" + std::to_string(i) + ".png";
    w.write(file, flat_picture(10, {20 * i, 100, 250 - 20 * i}));
    questions += json{{"image", file}, {"question", "which?"}, {"answer", i % 2 ? "odd" : "even"}}.dump() + "\n";
  }
  w.write("questions.jsonl", questions);
  w.write("vision.json", R"({"model_type":"clip_vision_model","hidden_size":16,"intermediate_size":32,
      "num_hidden_layers":2,"num_attention_heads":2,"image_size":8,"patch_size":4})");
  for (const char* name : {"a", "b"})
    for (int i = 0; i < 4; ++i)
      w.write(std::string("classes/") + name + "/" + std::to_string(i) + ".png",
              flat_picture(9 + i, {name[0], 40 * i, 7}));
  must(run_vlm({"pretrain", "--class-dir", w / "classes", "--model-config", w / "vision.json", "--epochs", "2",
                "--batch-size", "4", "--threads", "1", "--out", w / "vision"}));
  const auto project = [&](const std::string& out, const Args& more) {
    return with(
        {"pretrain", "--vision-model", w / "vision/model", "--language-model", w / "base/model", "--task", "vqa",
         "--train", w / "questions.jsonl", "--epochs", "2", "--batch-size", "5", "--threads", "1", "--out", w / out},
        more);
  };
  must(run_vlm(project("vlm1", {})));
  must(run_vlm(project("vlm2", {"--nproc", "2"})));
  check_near(w / "vlm1", w / "vlm2");
}

#ifdef LL_MPIRUN
TEST_CASE("lowland-roberta under mpirun: as by one process, and an error of one ends all") {
  const TestFolder w;
  const auto by = [&](const char* n, const Args& args) {
    return run_command(
        LL_MPIRUN,
        with({"--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", n, LL_ROBERTA_PROGRAM}, args));
  };
  for (const char* method : {"lora", "eflat-lora", "lora-sam"}) {
    CAPTURE(method);
    const std::string m = method;
    must(run_program(finetune_flags(method, w / (m + "1"))));
    for (const char* n : {"2", "4"}) {
      const Outcome o = must(by(n, finetune_flags(method, w / (m + n))));
      check_near(w / (m + "1"), w / (m + n));
      CHECK(o.err.find("processes over MPI") != std::string::npos);
    }
  }
  must(by("3", {"finetune", "--out", w / "lora2", "--resume"}));
  const Outcome taken = by("2", finetune_flags("lora", w / "lora1"));
  CHECK(taken.exit_code != 0);
  CHECK(taken.err.find("is not empty") != std::string::npos);
}
#else
TEST_CASE("lowland-roberta under mpirun: as by one process, and an error of one ends all" * doctest::skip(true)) {
}  // this build has no MPI
#endif
