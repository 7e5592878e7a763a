// What three programs did each in its own way before they shared their verbs: the same flag means the same in all.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/apps/program.h"

using namespace lowland::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Arguments = std::vector<std::string>;

Arguments operator+(Arguments a, const Arguments& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A Llama of random weights, and a file of nine examples.
const TestFolder& tiny_llama() {
  static const TestFolder* const made = [] {
    static TestFolder w;
    w.write("text.txt", "the soup is fine\n\nthe bread is stale\n");
    w.write("config.json", R"({"model_type":"llama","hidden_size":16,"intermediate_size":32,"num_hidden_layers":1,
        "num_attention_heads":2,"max_position_embeddings":64,"vocab_size":300})");
    std::string lines;
    for (int i = 0; i < 9; ++i)
      lines += R"({"prompt":"the soup","completion":" is fine"})"
               "\n";
    w.write("train.jsonl", lines);
    must(run_llama({"pretrain", "--text", w / "text.txt", "--model-config", w / "config.json", "--vocab-size", "300",
                    "--max-steps", "1", "--threads", "1", "--out", w / "base"}));
    return &w;
  }();
  return *made;
}

}  // namespace

TEST_CASE("--max-train-samples counts in inspect and probe of every program") {
  const TestFolder& roberta = tiny_task();
  const TestFolder& llama = tiny_llama();
  const Arguments texts = {"--model", roberta / "pretrained/model", "--data", roberta / "data", "--task",
                           "sst2",    "--max-train-samples",        "4",      "--threads",      "1"};
  const Arguments lines = {"--model", llama / "base/model",  "--train", llama / "train.jsonl", "--dev-fraction",
                           "0",       "--max-train-samples", "4",       "--threads",           "1"};
  CHECK(must(run_program(Arguments{"inspect"} + texts)).out.find("\n4 training examples") != std::string::npos);
  CHECK(must(run_llama(Arguments{"inspect"} + lines)).out.find("\n4 training examples") != std::string::npos);
  const TestFolder w;  // a base alone has no head to probe
  must(run_program(finetune_flags("lora", w / "run")));
  CHECK(json::parse(must(run_program({"probe", "--run", w / "run", "--max-train-samples", "4"})).out).at("examples") ==
        4);
  CHECK(json::parse(must(run_llama(Arguments{"probe"} + lines)).out).at("examples") == 4);
}

TEST_CASE("a pretraining that is refused leaves nothing behind, and the next try begins") {
  const TestFolder w;
  const auto pretrain = [&](const TestFolder& task, const std::string& out, const Arguments& tokens) {
    return Arguments{"pretrain",
                     "--text",
                     task / "text.txt",
                     "--model-config",
                     task / "config.json",
                     "--max-steps",
                     "1",
                     "--threads",
                     "1",
                     "--out",
                     out} +
           tokens;
  };
  const Arguments bad = {"--tokenizer", w / "nowhere"}, good = {"--vocab-size", "300"};
  const auto check = [&](const char* name, Outcome (*run)(const Arguments&, const Kill&), const TestFolder& task) {
    const std::string out = w / name;
    CHECK(run(pretrain(task, out, bad), {}).exit_code == 1);
    CHECK_FALSE(fs::exists(out));
    must(run(pretrain(task, out, good), {}));
  };
  check("roberta", run_program, tiny_task());
  check("llama", run_llama, tiny_llama());
}

TEST_CASE("run.json names the modules that were adapted, where --targets was left out") {
  const TestFolder w;
  must(run_program(finetune_flags("lora", w / "roberta")));
  const TestFolder& llama = tiny_llama();
  must(run_llama({"finetune", "--model", llama / "base/model", "--train", llama / "train.jsonl", "--dev-fraction", "0",
                  "--max-steps", "1", "--threads", "1", "--out", w / "llama"}));
  const auto targets = [&](const char* run) {
    return json::parse(read_text((w / run) + "/run.json")).at("settings").at("targets");
  };
  CHECK(targets("roberta") == "query,value");
  CHECK(targets("llama") == "q_proj,v_proj");
}
