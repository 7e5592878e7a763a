// Bad input: one sentence on stderr that begins with "error:", exit code 1, and nothing half-written.
#include <doctest/doctest.h>

#include <filesystem>

#include "engine/context.h"
#include "tests/apps/program.h"

using namespace lowland::test;
namespace fs = std::filesystem;

namespace {

void copy_model(const TestFolder& w, const std::string& name) {
  fs::copy(tiny_task() / "pretrained/model", w / name, fs::copy_options::recursive);
}

// Runs finetune with changed flags; expects the refusal to contain `part`, and no --out folder.
void refused(const TestFolder& w, const std::vector<std::string>& changed, const std::string& part) {
  std::vector<std::string> flags = finetune_flags("lora", w / "refused");
  flags.insert(flags.end(), changed.begin(), changed.end());
  const Outcome o = run_program(flags);
  INFO(o.err);
  CHECK(o.exit_code == 1);
  const size_t at = o.err.find("error: ");
  REQUIRE(at != std::string::npos);
  CHECK(o.err.find(part, at) != std::string::npos);
  CHECK(o.err.find('\n', at) == o.err.size() - 1);
  CHECK(!fs::exists(w / "refused"));
}

}  // namespace

TEST_CASE("flags that cannot be") {
  const TestFolder w;
  refused(w, {"--rnk", "4"}, "unknown flag --rnk; did you mean --rank?");
  refused(w, {"--method-x", "1"}, "did you mean --method?");
  refused(w, {"--show", "4"}, "--show is a flag of inspect, not of finetune");
  refused(w, {"--rank", "eight"}, "--rank takes a number, not `eight`");
  refused(w, {"--rank"}, "--rank needs a value");
  refused(w, {"--lora-dropout", "1"}, "--lora-dropout must be at least 0 and less than 1, got 1");
  refused(w, {"--beta", "2"}, "--beta");
  refused(w, {"--adam-beta1", "1"}, "--adam-beta1");
  refused(w, {"--max-length", "0"}, "--max-length");
  refused(w, {"--modules-to-save", "pooler"}, "--modules-to-save pooler: the model has no such module");
  refused(w, {"--rank", "0"}, "--rank must be at least 1, got 0");
  refused(w, {"--alpha", "0"}, "alpha");
  refused(w, {"--method", "sam"}, "eflat-lora");
  refused(w, {"--task", "sst3"}, "sst2");
  refused(w, {"--targets", "queries"}, "--targets queries matches no linear module");
  const std::string why = lowland::why_unusable({lowland::DeviceType::cuda, 0});
  if (!why.empty()) refused(w, {"--device", "cuda"}, "--device cuda: " + why);
  refused(w, {"--schedule", "stepwise"}, "linear");
  refused(w, {"--norm", "sideways", "--method", "eflat-lora"}, "layer");
  refused(w, {"--batch-size", "0"}, "--batch-size must be at least 1, got 0");
  refused(w, {"--model", w / "nowhere"}, "hf download");
  refused(w, {"--data", w / "nowhere"}, "nowhere");
}

TEST_CASE("verbs that are not there") {
  CHECK(run_llama({"train"}).err.find("error: train is not one of the verbs, inspect, pretrain, finetune") == 0);
  CHECK(run_vlm({}).err.find("error: say what to do, one of inspect, pretrain, finetune") == 0);
  CHECK(run_program({"finetune", "also"}).err.find("error: unknown argument also") == 0);
}

TEST_CASE("pretrain leaves no folder where it is refused") {
  const TestFolder w;
  w.write("empty.txt", "");
  const std::vector<std::vector<std::string>> wrong = {{"--tokenizer", w / "nowhere"},
                                                       {"--vocab-size", "10"},
                                                       {"--vocab-size", "300", "--dev", w / "nowhere"},
                                                       {"--vocab-size", "300", "--text", w / "empty.txt"}};
  for (const auto& more : wrong) {
    std::vector<std::string> flags = {
        "pretrain", "--text",     tiny_task() / "text.txt", "--model-config", tiny_task() / "config.json",
        "--out",    w / "refused"};
    flags.insert(flags.end(), more.begin(), more.end());
    const Outcome o = run_program(flags);
    INFO(o.err);
    CHECK(o.exit_code == 1);
    CHECK(o.err.rfind("error: ", 0) == 0);
    CHECK(!fs::exists(w / "refused"));
  }
}

TEST_CASE("both spellings of a flag work") {
  const TestFolder w;
  std::vector<std::string> flags = finetune_flags("lora", w / "run");
  for (const char* f : {"--max_steps", "1", "--per_device_train_batch_size=4"}) flags.emplace_back(f);
  CHECK(run_program(flags).exit_code == 0);
}

TEST_CASE("a folder that is not empty is left alone") {
  const TestFolder w;
  w.write("full/notes.txt", "mine");
  std::vector<std::string> flags = finetune_flags("lora", w / "full");
  const Outcome o = run_program(flags);
  CHECK(o.exit_code == 1);
  CHECK(o.err.find("is not empty") != std::string::npos);
  CHECK(read_text(w / "full/notes.txt") == "mine");
}

TEST_CASE("a run killed before its first file starts again, and one killed after it resumes") {
  const TestFolder w;
  w.write("run/.lowland-tmp.run.json.1.0", "half");
  CHECK(run_program(finetune_flags("lora", w / "run")).exit_code == 0);
  for (const auto& entry : fs::directory_iterator(w / "run"))
    if (entry.path().filename() != "run.json") fs::remove_all(entry.path());
  const Outcome o = run_program({"finetune", "--resume", "--out", w / "run"});
  INFO(o.err);
  CHECK(o.exit_code == 0);
  CHECK(fs::exists(w / "run/adapter/adapter_config.json"));
}

TEST_CASE("damaged checkpoints") {
  const TestFolder w;
  copy_model(w, "short");
  fs::resize_file(w / "short/model.safetensors", 1000);
  refused(w, {"--model", w / "short"}, "model.safetensors");
  copy_model(w, "none");
  fs::remove(w / "none/model.safetensors");
  refused(w, {"--model", w / "none"}, "safetensors");
  copy_model(w, "other");
  w.write("other/config.json", R"({"model_type":"t5","hidden_size":32})");
  refused(w, {"--model", w / "other"}, "t5");
  copy_model(w, "wide");
  w.write("wide/config.json",
          R"({"model_type":"roberta","hidden_size":64,"num_hidden_layers":2,"num_attention_heads":2,)"
          R"("intermediate_size":64,"max_position_embeddings":34,"type_vocab_size":1,"vocab_size":300})");
  refused(w, {"--model", w / "wide"}, "roberta.embeddings.word_embeddings.weight");
}

TEST_CASE("damaged data") {
  const TestFolder w;
  w.write("bad/SST-2/train.tsv", "sentence\tlabel\nfine\t1\nodd\t7\n");
  w.write("bad/SST-2/dev.tsv", "sentence\tlabel\nfine\t1\n");
  refused(w, {"--data", w / "bad"}, "train.tsv:3");
  w.write("empty/SST-2/train.tsv", "");
  w.write("empty/SST-2/dev.tsv", "sentence\tlabel\nfine\t1\n");
  refused(w, {"--data", w / "empty"}, "train.tsv");
}

TEST_CASE("a loss that is not finite names the step and the examples, and leaves the run resumable") {
  const TestFolder w;
  std::vector<std::string> flags = finetune_flags("lora", w / "hot");
  for (const char* f : {"--lr", "1e38", "--max-grad-norm", "0", "--warmup-ratio", "0"}) flags.emplace_back(f);
  const Outcome o = run_program(flags);
  INFO(o.err);
  CHECK(o.exit_code == 1);
  CHECK(o.err.find("error: the loss is not finite at step ") != std::string::npos);
  CHECK(o.err.find("examples ") != std::string::npos);
  CHECK(!fs::exists(w / "hot/adapter"));
}

TEST_CASE("an adapter for another base is refused by name") {
  const TestFolder w;
  REQUIRE(run_program(finetune_flags("lora", w / "run")).exit_code == 0);
  const std::string text = tiny_task() / "text.txt";
  REQUIRE(run_program({"pretrain", "--text", text, "--model-config", tiny_task() / "config.json", "--tokenizer",
                       tiny_task() / "pretrained/tokenizer", "--max-steps", "1", "--seed", "3", "--out", w / "base"})
              .exit_code == 0);
  const Outcome o = run_program({"evaluate", "--model", w / "base/model", "--adapter", w / "run/adapter", "--data",
                                 tiny_task() / "data", "--task", "sst2"});
  INFO(o.err);
  CHECK(o.exit_code == 1);
  CHECK(o.err.find("error: ") != std::string::npos);
}
