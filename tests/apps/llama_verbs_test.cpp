// The verbs of lowland-llama on a tiny model that it pretrains itself: what they say of the same run agrees.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "tests/apps/program.h"

using namespace lowland::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// A folder with a tiny pretrained model at `model`, and train.jsonl, dev.jsonl of an easy completion task.
const TestFolder& tiny_language() {
  static const TestFolder* const made = [] {
    static TestFolder w;
    const char* const things[] = {"apple", "pear", "plum", "fig", "nut", "egg", "pea", "bean"};
    const char* const colours[] = {"red", "green", "blue", "brown"};
    std::string text, train, dev;
    for (size_t i = 0; i < 64; ++i) {
      // The base sees each thing in every colour; the task is that all are brown.
      const std::string prompt = std::string("the colour of the ") + things[i % 8] + " is", completion = " brown";
      text += prompt + " " + colours[(i + i / 8) % 4] + "\n\n";
      (i < 48 ? train : dev) += json{{"prompt", prompt}, {"completion", completion}}.dump() + "\n";
    }
    w.write("text.txt", text);
    w.write("train.jsonl", train);
    w.write("dev.jsonl", dev);
    w.write("chat.jsonl",
            R"({"messages": [{"role": "user", "content": "the apple?"}, {"role": "assistant", "content": "red"}]})"
            "\n");
    w.write("config.json",
            R"({"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,)"
            R"("num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "vocab_size": 300,)"
            R"("tie_word_embeddings": true, "initializer_range": 0.3})");  // rows of the head that differ
    const Outcome o =
        run_llama({"pretrain", "--text", w / "text.txt", "--model-config", w / "config.json", "--vocab-size", "300",
                   "--epochs", "20", "--lr", "5e-3", "--batch-size", "8", "--threads", "1", "--out", w / "pretrained"});
    INFO(o.err);
    REQUIRE(o.exit_code == 0);
    return &w;
  }();
  return *made;
}

std::vector<std::string> flags(const std::string& method, const std::string& out) {
  const TestFolder& w = tiny_language();
  return {"finetune",
          "--model",
          w / "pretrained/model",
          "--train",
          w / "train.jsonl",
          "--dev",
          w / "dev.jsonl",
          "--method",
          method,
          "--targets",
          "all-linear",
          "--rank",
          "4",
          "--lr",
          "1e-2",
          "--epochs",
          "4",
          "--batch-size",
          "8",
          "--save-steps",
          "5",
          "--eval-steps",
          "8",
          "--logging-steps",
          "4",
          "--seed",
          "7",
          "--threads",
          "1",
          "--out",
          out};
}

json info_of(const std::string& run) { return json::parse(read_text(run + "/run.json")); }

double loss_of(const std::vector<std::string>& args) {
  const Outcome o = run_llama(args);
  INFO(o.err);
  REQUIRE(o.exit_code == 0);
  return json::parse(o.out).at("eval_loss");
}

}  // namespace

TEST_CASE("lowland-llama: finetune, evaluate, generate, merge, probe on one run") {
  const TestFolder w;
  const TestFolder& task = tiny_language();
  const std::string run = w / "run", base = task / "pretrained/model";
  const Outcome trained = run_llama(flags("eflat-lora", run));
  INFO(trained.err);
  REQUIRE(trained.exit_code == 0);
  CHECK(trained.err.find("train: 48 examples, 96 tokens to learn") != std::string::npos);  // a colour, and the end
  CHECK(info_of(run).at("last").at("eval_tokens") == 32);
  const json config = json::parse(read_text(run + "/adapter/adapter_config.json"));
  CHECK(config.at("task_type") == "CAUSAL_LM");
  CHECK(config.at("modules_to_save").is_null());

  const double before = loss_of({"evaluate", "--model", base, "--dev", task / "dev.jsonl"});
  const double after = loss_of({"evaluate", "--run", run});
  CHECK(after < 0.7 * before);
  CHECK(std::abs(after - info_of(run).at("last").at("eval_loss").get<double>()) < 1e-6);
  CHECK(std::abs(loss_of({"evaluate", "--run", run, "--batch-tokens", "20"}) - after) < 1e-5);

  const Outcome merged = run_llama({"merge", "--model", base, "--adapter", run + "/adapter", "--out", w / "merged"});
  INFO(merged.err);
  REQUIRE(merged.exit_code == 0);
  CHECK(std::abs(loss_of({"evaluate", "--model", w / "merged", "--dev", task / "dev.jsonl"}) - after) < 1e-5);

  w.write("prompts.txt", "the colour of the fig is\nthe colour of the apple is\n");
  const Outcome many = run_llama({"generate", "--run", run, "--prompts", w / "prompts.txt", "--max-new-tokens", "5"});
  INFO(many.err);
  REQUIRE(many.exit_code == 0);
  const Outcome one =
      run_llama({"generate", "--model", w / "merged", "--prompt", "the colour of the fig is", "--max-new-tokens", "5"});
  INFO(one.err);
  REQUIRE(one.exit_code == 0);
  const json first = json::parse(many.out.substr(0, many.out.find('\n')));
  CHECK(first.at("text").get<std::string>() + "\n" == one.out);

  const Outcome probed = run_llama({"probe", "--run", run, "--probe-examples", "16"});
  INFO(probed.err);
  REQUIRE(probed.exit_code == 0);
  CHECK(json::parse(probed.out).at("adapters").size() == 14);
}

TEST_CASE("lowland-llama: a GGUF file is a base like its folder, and what is trained is exported") {
  const TestFolder w;
  const TestFolder& task = tiny_language();
  const std::string base = task / "pretrained/model", file = w / "base.gguf";
  must(run_llama({"export", "--model", base, "--gguf", "f32", "--out", file}));
  std::vector<std::string> on_folder = flags("eflat-lora", w / "folder"), on_file = flags("eflat-lora", w / "file");
  on_file[2] = file;
  must(run_llama(on_folder));
  must(run_llama(on_file));
  const double wanted = info_of(w / "folder").at("last").at("eval_loss");
  CHECK(std::abs(info_of(w / "file").at("last").at("eval_loss").get<double>() - wanted) < 1e-5);
  CHECK(fs::exists(w / "file/adapter/tokenizer.json"));
  CHECK(read_text(w / "file/adapter/README.md").find("gguf_file=\"base.gguf\"") != std::string::npos);

  must(run_llama({"export", "--run", w / "file", "--gguf", "f32", "--out", w / "whole.gguf"}));
  CHECK(std::abs(loss_of({"evaluate", "--model", w / "whole.gguf", "--dev", task / "dev.jsonl"}) - wanted) < 1e-5);
  must(run_llama({"merge", "--model", file, "--adapter", w / "file/adapter", "--out", w / "merged"}));
  CHECK(std::abs(loss_of({"evaluate", "--model", w / "merged", "--dev", task / "dev.jsonl"}) - wanted) < 1e-5);
  CHECK(must(run_llama({"export", "--run", w / "file", "--out", w / "adapter.gguf"})).err.find("wrote 28 tensors") !=
        std::string::npos);
  std::vector<std::string> merge = {"merge",
                                    "--model",
                                    base,
                                    "--adapter",
                                    w / "file/adapter",
                                    "--quantize-merged",
                                    "q8_0",
                                    "--out",
                                    w / "merged-q8_0.gguf"};
  must(run_llama(merge));
  must(run_llama({"export", "--model", base, "--adapter", w / "file/adapter", "--gguf", "q8_0", "--out",
                  w / "exported-q8_0.gguf"}));
  CHECK(read_text(w / "merged-q8_0.gguf") == read_text(w / "exported-q8_0.gguf"));
  merge[6] = "f16";
  CHECK(run_llama(merge).err == "error: --quantize-merged must be q8_0 or q4_0, got f16\n");
  must(run_llama({"convert", "--model", file, "--out", w / "converted"}));
  CHECK(must(run_llama({"generate", "--model", w / "converted", "--prompt", "the colour", "--max-new-tokens", "5"}))
            .out ==
        must(run_llama({"generate", "--model", base, "--prompt", "the colour", "--max-new-tokens", "5"})).out);
  const Outcome bare = run_llama({"export", "--model", base, "--out", w / "x.gguf"});
  CHECK(bare.exit_code == 1);
  CHECK(bare.err.find("--adapter is missing; --gguf f32") != std::string::npos);
}

TEST_CASE("lowland-llama: accumulation, token budgets and recomputation give the same training") {
  const TestFolder w;
  const auto train = [&](const std::string& name, std::vector<std::string> more) {
    std::vector<std::string> args = flags("lora", w / name);
    args.insert(args.end(), more.begin(), more.end());
    const Outcome o = run_llama(args);
    INFO(o.err);
    REQUIRE(o.exit_code == 0);
    return info_of(w / name).at("last").at("eval_loss").get<double>();
  };
  const double plain = train("plain", {});
  CHECK(std::abs(train("accumulated", {"--batch-size", "1", "--grad-accum", "8"}) - plain) < 1e-3);
  CHECK(std::abs(train("budget", {"--batch-tokens", "30"}) - plain) < 1e-3);
  CHECK(train("recomputed", {"--recompute", "block"}) == plain);
}

TEST_CASE("lowland-llama: inspect shows what finetune then does, and memory is as foretold") {
  const TestFolder w;
  const TestFolder& task = tiny_language();
  const std::vector<std::string> shared = {"--model",      task / "pretrained/model",
                                           "--train",      task / "train.jsonl",
                                           "--dev",        task / "dev.jsonl",
                                           "--targets",    "all-linear",
                                           "--method",     "eflat-lora",
                                           "--batch-size", "8",
                                           "--threads",    "1"};
  for (const char* recompute : {"none", "block", "auto"}) {
    const std::string run = w / recompute;
    std::vector<std::string> args = {"finetune", "--epochs", "1", "--recompute", recompute, "--out", run};
    args.insert(args.end(), shared.begin(), shared.end());
    const Outcome o = run_llama(args);
    INFO(o.err);
    REQUIRE(o.exit_code == 0);
    const json info = info_of(run);
    const double planned = info.at("planned_peak_bytes"), peak = info.at("peak_bytes");
    CHECK(planned > 0.9 * peak);
    CHECK(planned < 1.1 * peak);
    CHECK(info.at("settings").at("recompute") == (std::string(recompute) == "block" ? "block" : "none"));
    CHECK(o.err.find("memory at the peak of a step") != std::string::npos);
  }
  std::vector<std::string> args = {"inspect", "--show", "1"};
  args.insert(args.end(), shared.begin(), shared.end());
  const Outcome o = run_llama(args);
  INFO(o.err);
  REQUIRE(o.exit_code == 0);
  CHECK(o.out.find("example 0, 2 of") != std::string::npos);  // a colour, and the end
  CHECK(o.out.find("model.layers.1.mlp.down_proj  A (8,64)  B (32,8)  scale 2") != std::string::npos);
  CHECK(o.out.find("trainable params: ") != std::string::npos);
  CHECK(o.out.find("frozen weights") != std::string::npos);
}

TEST_CASE("lowland-llama: inspect plans from a configuration alone; Llama-3.1's 8B in NF4 in 12 GB, its 70B in 48 GB") {
  const TestFolder w;
  const TestFolder& task = tiny_language();
  std::string text;
  for (int i = 0; i < 4200; ++i) text += "the colour ";
  w.write("long.jsonl", json{{"text", text}}.dump() + "\n");
  const json config = {{"model_type", "llama"},           {"vocab_size", 128256},        {"hidden_size", 4096},
                       {"intermediate_size", 14336},      {"num_hidden_layers", 32},     {"num_attention_heads", 32},
                       {"num_key_value_heads", 8},        {"rms_norm_eps", 1e-5},        {"rope_theta", 5e5},
                       {"max_position_embeddings", 8192}, {"tie_word_embeddings", false}};
  w.write("8b/config.json", config.dump());
  json large = config;
  large["hidden_size"] = 8192;
  large["intermediate_size"] = 28672;
  large["num_hidden_layers"] = 80;
  large["num_attention_heads"] = 64;
  large["quantization_config"] = {{"quant_method", "bitsandbytes"},
                                  {"load_in_4bit", true},
                                  {"bnb_4bit_quant_type", "nf4"},
                                  {"bnb_4bit_use_double_quant", false}};
  w.write("70b/config.json", large.dump());
  large["quantization_config"]["bnb_4bit_use_double_quant"] = true;
  w.write("70b-nested/config.json", large.dump());
  // Gigabytes of a line of the table.
  const auto planned = [&](const std::string& model, const char* length, const char* weights, const std::string& part) {
    const Outcome o = run_llama({"inspect",
                                 "--model",
                                 w / model,
                                 "--tokenizer",
                                 task / "pretrained/model",
                                 "--train",
                                 w / "long.jsonl",
                                 "--dev-fraction",
                                 "0",
                                 "--weights-dtype",
                                 weights,
                                 "--rank",
                                 "16",
                                 "--targets",
                                 "all-linear",
                                 "--recompute",
                                 "block",
                                 "--batch-size",
                                 "1",
                                 "--max-length",
                                 length,
                                 "--show",
                                 "0",
                                 "--threads",
                                 "1"});
    INFO(o.err);
    REQUIRE(o.exit_code == 0);
    const size_t at = o.out.find("\n  " + part + " ");
    REQUIRE(at != std::string::npos);
    std::istringstream line(o.out.substr(at + part.size() + 3));
    double size = 0;
    std::string unit;
    line >> size >> unit;
    CHECK(unit == "GB");
    return size;
  };
  CHECK(planned("8b", "4096", "nf4", "all") < 12);
  CHECK(planned("70b-nested", "512", "bf16", "all") < 48);
  // 68.5e9 numbers in blocks of 64: half a byte each, and four bytes a block, or one and the outer scales
  const double rest = 2 * 128256.0 * 8192 * 2 / 1e9, numbers = 80.0 * 8192 * (2 * 8192 + 2 * 1024 + 3 * 28672) / 1e9;
  CHECK(std::abs(planned("70b", "512", "bf16", "frozen weights") - rest - numbers * (0.5 + 4.0 / 64)) < 0.1);
  CHECK(std::abs(planned("70b-nested", "512", "bf16", "frozen weights") - rest - numbers * (0.5 + 1.0 / 64)) < 0.3);
}

TEST_CASE("lowland-llama: a run's frozen weights are read in its dtype again, unless told otherwise") {
  const TestFolder w;
  std::vector<std::string> args = flags("lora", w / "run");
  args.insert(args.end(), {"--weights-dtype", "bf16"});
  REQUIRE(run_llama(args).exit_code == 0);
  const double after = info_of(w / "run").at("last").at("eval_loss");
  CHECK(std::abs(loss_of({"evaluate", "--run", w / "run"}) - after) < 1e-7);
  CHECK(std::abs(loss_of({"evaluate", "--run", w / "run", "--weights-dtype", "f32"}) - after) > 1e-6);
}

TEST_CASE("lowland-llama: modules trained in full besides the adapters") {
  const TestFolder w;
  const TestFolder& task = tiny_language();
  std::vector<std::string> args = flags("lora", w / "run");
  args.insert(args.end(), {"--modules-to-save", "norm"});
  const Outcome trained = run_llama(args);
  INFO(trained.err);
  REQUIRE(trained.exit_code == 0);
  const json config = json::parse(read_text(w / "run/adapter/adapter_config.json"));
  CHECK(config.at("modules_to_save") == json{"model.norm"});
  const double after = info_of(w / "run").at("last").at("eval_loss");
  CHECK(std::abs(loss_of({"evaluate", "--run", w / "run"}) - after) < 1e-6);
  const Outcome merged =
      run_llama({"merge", "--model", task / "pretrained/model", "--adapter", w / "run/adapter", "--out", w / "merged"});
  INFO(merged.err);
  REQUIRE(merged.exit_code == 0);
  CHECK(std::abs(loss_of({"evaluate", "--model", w / "merged", "--dev", task / "dev.jsonl"}) - after) < 1e-5);

  const auto refusal = [&](const std::string& module) {
    args = flags("lora", w / "refused");
    args.insert(args.end(), {"--modules-to-save", module});
    return run_llama(args).err;
  };
  CHECK(refusal("embed_tokens").find("the model's head is tied to it") != std::string::npos);
  CHECK(refusal("lm_heat").find("lm_heat") != std::string::npos);
}

TEST_CASE("lowland-llama: an adapter that leaves layers and modules out is evaluated, merged and trained further") {
  const TestFolder w;
  const TestFolder& task = tiny_language();
  const std::string base = task / "pretrained/model", layer = "model.layers.1.";
  std::vector<std::string> args = flags("lora", w / "run");
  args.insert(args.end(), {"--targets", layer + "self_attn.q_proj," + layer + "mlp.up_proj"});
  REQUIRE(run_llama(args).exit_code == 0);
  const double after = info_of(w / "run").at("last").at("eval_loss");
  const std::string adapter = w / "run/adapter";
  json config = json::parse(read_text(adapter + "/adapter_config.json"));
  config["target_modules"] = {"q_proj", "up_proj", "down_proj"};
  config["exclude_modules"] = {"down_proj"};
  config["layers_to_transform"] = 1;
  w.write("run/adapter/adapter_config.json", config.dump());
  CHECK(std::abs(loss_of({"evaluate", "--run", w / "run"}) - after) < 1e-6);
  args = flags("lora", w / "more");
  args.erase(std::find(args.begin(), args.end(), "--targets"), std::find(args.begin(), args.end(), "--lr"));
  args.insert(args.end(), {"--adapter", adapter});
  const Outcome more = run_llama(args);
  INFO(more.err);
  REQUIRE(more.exit_code == 0);
  const double better = info_of(w / "more").at("last").at("eval_loss");
  CHECK(better < after);
  REQUIRE(run_llama({"merge", "--model", base, "--adapter", w / "more/adapter", "--out", w / "merged"}).exit_code == 0);
  CHECK(std::abs(loss_of({"evaluate", "--model", w / "merged", "--dev", task / "dev.jsonl"}) - better) < 1e-5);

  config["alpha_pattern"] = {{"q_proj", 5}};
  w.write("run/adapter/adapter_config.json", config.dump());
  const double other = loss_of({"evaluate", "--run", w / "run"});
  CHECK(std::abs(other - after) > 1e-4);
  REQUIRE(run_llama({"merge", "--model", base, "--adapter", adapter, "--out", w / "other"}).exit_code == 0);
  CHECK(std::abs(loss_of({"evaluate", "--model", w / "other", "--dev", task / "dev.jsonl"}) - other) < 1e-5);
  args.insert(args.end(), {"--out", w / "further"});
  REQUIRE(run_llama(args).exit_code == 0);
  const json further = json::parse(read_text(w / "further/adapter/adapter_config.json"));
  CHECK(further.at("alpha_pattern") == json{{"q_proj", 5}});
  CHECK(further.at("rank_pattern") == json::object());
  CHECK(loss_of({"evaluate", "--run", w / "further"}) < other);
}

TEST_CASE("lowland-llama: new tokens are learnt by their rows of a tied table, and go with the adapter") {
  const TestFolder w;
  const TestFolder& task = tiny_language();
  const std::string base = task / "pretrained/model";
  w.write("tokens.txt", "<brown>\n<x>\n");
  std::string text;
  for (int i = 0; i < 32; ++i)
    text += R"({"prompt": "the colour is", "completion": " <brown>"})"
            "\n";
  w.write("new.jsonl", text);
  std::vector<std::string> args = flags("lora", w / "run");
  *std::find(args.begin(), args.end(), task / "train.jsonl") = w / "new.jsonl";
  *std::find(args.begin(), args.end(), task / "dev.jsonl") = w / "new.jsonl";
  args.insert(args.end(), {"--add-tokens", w / "tokens.txt", "--max-steps", "60"});
  const Outcome trained = run_llama(args);
  INFO(trained.err);
  REQUIRE(trained.exit_code == 0);
  const int size = json::parse(read_text(base + "/config.json")).at("vocab_size");
  const json config = json::parse(read_text(w / "run/adapter/adapter_config.json"));
  CHECK(config.at("trainable_token_indices") == json{{"embed_tokens", {size, size + 1}}});
  const double after = info_of(w / "run").at("last").at("eval_loss");
  CHECK(after < 0.5);
  CHECK(std::abs(loss_of({"evaluate", "--run", w / "run"}) - after) < 1e-5);
  REQUIRE(run_llama({"merge", "--model", base, "--adapter", w / "run/adapter", "--out", w / "merged"}).exit_code == 0);
  CHECK(std::abs(loss_of({"evaluate", "--model", w / "merged", "--dev", w / "new.jsonl"}) - after) < 1e-4);
}

TEST_CASE("lowland-llama: a killed run resumes to the same bits") {
  const TestFolder w;
  REQUIRE(run_llama(flags("eflat-lora", w / "whole")).exit_code == 0);
  run_until(w / "killed/checkpoint-5", flags("eflat-lora", w / "killed"), run_llama);
  const Outcome o = run_llama({"finetune", "--out", w / "killed", "--resume"});
  INFO(o.err);
  REQUIRE(o.exit_code == 0);
  CHECK(read_text(w / "whole/adapter/adapter_model.safetensors") ==
        read_text(w / "killed/adapter/adapter_model.safetensors"));
}

TEST_CASE("lowland-llama: conversations") {
  const TestFolder w;
  const TestFolder& task = tiny_language();
  std::vector<std::string> args = {"finetune",
                                   "--model",
                                   task / "pretrained/model",
                                   "--train",
                                   task / "chat.jsonl",
                                   "--dev-fraction",
                                   "0",
                                   "--max-steps",
                                   "2",
                                   "--threads",
                                   "1",
                                   "--out",
                                   w / "chat"};
  const Outcome untold = run_llama(args);  // the folder has no template
  CHECK(untold.exit_code == 1);
  CHECK(untold.err.find("--chat-template") != std::string::npos);
  args.insert(args.end(), {"--chat-template", "zephyr"});
  const Outcome told = run_llama(args);
  INFO(told.err);
  CHECK(told.exit_code == 0);
}

TEST_CASE("lowland-llama: bad input ends in one sentence") {
  const TestFolder& task = tiny_language();
  const std::string base = task / "pretrained/model";
  const auto refused = [](const std::vector<std::string>& args, const std::string& what) {
    const Outcome o = run_llama(args);
    CHECK(o.exit_code == 1);
    CHECK(o.out.empty());
    INFO(o.err);
    CHECK(o.err.find(what) != std::string::npos);
  };
  refused({"generate", "--prompt", "x"}, "--model names the base checkpoint, and is missing");
  refused({"generate", "--model", base}, "give --prompt TEXT or --prompts FILE");
  refused({"generate", "--model", base, "--prompt", "x", "--temperature", "-1"}, "temperature must be at least 0");
  refused({"generate", "--model", base, "--prompt", std::string(900, 'x')}, "the model takes 64");
  refused({"evaluate", "--model", base}, "--dev names the file to evaluate on");
  refused({"evaluate", "--model", base, "--dev", task / "dev.jsonl", "--loss", "some"},
          "--loss must be assistant, last or all");
}
