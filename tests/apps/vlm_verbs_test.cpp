// The verbs of lowland-vlm, from nothing: a tiny tower by classes, a tiny language model, the projector, then questions
// whose answers are in the pictures. What the verbs say of the same run agrees.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <sstream>

#include "tests/apps/flat_picture.h"
#include "tests/apps/program.h"
#include "tests/apps/terminal.h"

using namespace lowland::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

const std::array<std::pair<const char*, std::array<int, 3>>, 4> kColours = {
    {{"red", {220, 20, 20}}, {"green", {20, 200, 20}}, {"blue", {20, 20, 220}}, {"white", {250, 250, 250}}}};

// Pictures of four colours in a few shades, in folders by class, and train.jsonl, test.jsonl of questions.
void write_task(const TestFolder& w) {
  std::string text, train, test;
  for (int shade = 0; shade < 8; ++shade) {
    for (const auto& [colour, rgb] : kColours) {
      const std::string file = std::string("classes/") + colour + "/" + std::to_string(shade) + ".png";
      w.write(file, flat_picture(10 + shade, {rgb[0] - shade, rgb[1] + shade, rgb[2] - shade}));
      const json question = {{"image", file}, {"question", "which colour?"}, {"answer", colour}};
      (shade < 6 ? train : test) += question.dump() + "\n";
      text += std::string("USER: ") + colour + "\nwhich colour? ASSISTANT: " + colour + "\n\n";
    }
  }
  w.write("train.jsonl", train);
  w.write("test.jsonl", test);
  w.write("text.txt", text);
  w.write("vision.json", R"({"model_type":"clip_vision_model","hidden_size":16,"intermediate_size":32,
      "num_hidden_layers":2,"num_attention_heads":2,"image_size":8,"patch_size":4})");
  w.write("language.json", R"({"model_type":"llama","hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,
      "num_attention_heads":4,"max_position_embeddings":64,"vocab_size":300,"initializer_range":0.1})");
}

// The task with tower, language model and projector trained.
const TestFolder& tiny_task_of_pictures() {
  static const TestFolder* const made = [] {
    static TestFolder w;
    write_task(w);
    must(run_vlm({"pretrain", "--class-dir", w / "classes", "--model-config", w / "vision.json", "--epochs", "12",
                  "--lr", "5e-3", "--batch-size", "8", "--threads", "1", "--out", w / "vision"}));
    must(run_llama({"pretrain", "--text", w / "text.txt", "--model-config", w / "language.json", "--vocab-size", "300",
                    "--epochs", "30", "--lr", "5e-3", "--batch-size", "8", "--threads", "1", "--out", w / "language"}));
    must(run_vlm({"pretrain", "--vision-model", w / "vision/model", "--language-model", w / "language/model", "--task",
                  "vqa", "--train", w / "train.jsonl", "--epochs", "2", "--batch-size", "8", "--threads", "1", "--out",
                  w / "base"}));
    return &w;
  }();
  return *made;
}

std::vector<std::string> flags(const std::string& method, const std::string& out) {
  const TestFolder& w = tiny_task_of_pictures();
  return {"finetune",
          "--model",
          w / "base/model",
          "--train",
          w / "train.jsonl",
          "--test",
          w / "test.jsonl",
          "--method",
          method,
          "--targets",
          "all-linear",
          "--projector",
          "full",
          "--lr",
          "1e-2",
          "--epochs",
          "20",
          "--batch-size",
          "8",
          "--seed",
          "7",
          "--save-steps",
          "20",
          "--dev-fraction",
          "0.1",
          "--threads",
          "1",
          "--out",
          out};
}

json evaluated(std::vector<std::string> args) {
  args.insert(args.begin(), "evaluate");
  args.insert(args.end(), {"--split", "test", "--max-new-tokens", "6", "--threads", "1", "--loss"});
  const Outcome o = run_vlm(args);
  must(o);
  return json::parse(o.out);
}

}  // namespace

TEST_CASE("lowland-vlm: pretrain, finetune, evaluate, predict, chat, merge, probe on one run") {
  const TestFolder w;
  const TestFolder& task = tiny_task_of_pictures();
  const json tower = json::parse(read_text(task / "vision/run.json"));
  CHECK(tower.at("last").at("eval_accuracy").get<double>() > 0.5);
  const std::string run = w / "run", base = task / "base/model";
  must(run_vlm(flags("eflat-lora", run)));
  const json config = json::parse(read_text(run + "/adapter/adapter_config.json"));
  CHECK(config.at("task_type") == "CAUSAL_LM");
  CHECK(config.at("modules_to_save") == json::array({"multi_modal_projector"}));

  const json result = evaluated({"--run", run});
  CHECK(result.at("eval_exact_match").get<double>() >= 0.85);
  CHECK(result.at("eval_question_only") == 0.25);
  CHECK(result.at("eval_examples") == 8);
  const json shuffled = evaluated({"--run", run, "--shuffle-images"});
  CHECK(shuffled.at("eval_exact_match").get<double>() < 0.6);

  // Chosen by likelihood among the four: the answers of a run that looks, and a guess where pictures are exchanged.
  std::string choices;
  std::istringstream questions(read_text(task / "test.jsonl"));
  for (std::string line; std::getline(questions, line);) {
    json q = json::parse(line);
    q["image"] = (task / q.at("image").get<std::string>());
    q["choices"] = {"white", "blue", "green", "red"};
    choices += q.dump() + "\n";
  }
  w.write("choices.jsonl", choices);
  const auto chosen = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args{"evaluate",          "--run",     run,    "--test",
                                  w / "choices.jsonl", "--split",   "test", "--choose",
                                  "likelihood",        "--threads", "1"};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome o = run_vlm(args);
    must(o);
    return json::parse(o.out).at("eval_accuracy").get<double>();
  };
  CHECK(chosen({}) >= 0.85);
  CHECK(chosen({"--shuffle-images"}) < 0.6);

  must(run_vlm({"merge", "--model", base, "--adapter", run + "/adapter", "--out", w / "merged"}));
  const json merged =
      evaluated({"--model", w / "merged", "--train", task / "train.jsonl", "--test", task / "test.jsonl"});
  CHECK(std::abs(merged.at("eval_loss").get<double>() - result.at("eval_loss").get<double>()) < 1e-4);

  const Outcome predicted = run_vlm({"predict", "--run", run, "--input", task / "test.jsonl", "--max-new-tokens", "6"});
  must(predicted);
  const json first = json::parse(predicted.out.substr(0, predicted.out.find('\n')));
  CHECK(first.at("answer") == "red");
  CHECK(fs::path(first.at("image").get<std::string>()).filename() == "6.png");
  CHECK(fs::exists(first.at("image").get<std::string>()));  // the whole path
  const std::string card = read_text(run + "/adapter/README.md");
  CHECK(card.find("LlavaForConditionalGeneration, AutoProcessor") != std::string::npos);
  must(run_vlm({"chat", task / "classes/red/7.png", "--run", run, "--max-new-tokens", "6"}));

  const Outcome probed = run_vlm({"probe", "--run", run, "--probe-examples", "8", "--batch-size", "8"});
  must(probed);
  CHECK(json::parse(probed.out).at("adapters").size() == 14);
}

TEST_CASE("lowland-vlm: tower and projector learn as told, and every method runs") {
  const TestFolder w;
  const auto train = [&](const std::string& name, const std::string& method, std::vector<std::string> more) {
    std::vector<std::string> args = flags(method, w / name);
    args.insert(args.end(), more.begin(), more.end());
    args.insert(args.end(), {"--max-steps", "4"});
    must(run_vlm(args));
    return json::parse(read_text(w / name + "/run.json"));
  };
  train("lora", "lora", {"--projector", "lora", "--tower", "lora"});
  CHECK(json::parse(read_text(w / "lora/adapter/adapter_config.json")).at("modules_to_save").is_null());
  train("whole", "lora", {"--tower", "full"});
  const json whole = json::parse(read_text(w / "whole/adapter/adapter_config.json")).at("modules_to_save");
  CHECK(whole == json::array({"multi_modal_projector", "vision_tower"}));
  must(run_vlm({"evaluate", "--run", w / "whole", "--split", "test"}));
  train("old", "lora", {"--old-names", "--projector", "frozen"});
  must(run_vlm({"evaluate", "--run", w / "old", "--split", "test"}));
  for (const std::string method : {"flat-lora", "lora-sam", "full"}) train(method, method, {});
  CHECK(fs::exists(w / "full/model/model.safetensors"));
  must(run_vlm({"evaluate", "--run", w / "full", "--split", "test"}));
}

TEST_CASE("lowland-vlm: config.toml repeats a run, random weights are random") {
  const TestFolder w;
  std::vector<std::string> args = flags("lora", w / "first");
  args.insert(args.end(), {"--max-steps", "3"});
  must(run_vlm(args));
  must(run_vlm({"finetune", "--config", w / "first/config.toml", "--out", w / "again"}));
  const auto adapter = [&](const std::string& name) {
    return read_text(w / name + "/adapter/adapter_model.safetensors");
  };
  CHECK(adapter("again") == adapter("first"));
  args = flags("lora", w / "random");
  args.insert(args.end(), {"--max-steps", "3", "--random-init"});
  must(run_vlm(args));
  CHECK(adapter("random") != adapter("first"));
}

TEST_CASE("lowland-vlm: a killed run resumes to the same bits") {
  const TestFolder w;
  must(run_vlm(flags("eflat-lora", w / "whole")));
  run_until(w / "killed/checkpoint-20", flags("eflat-lora", w / "killed"), run_vlm);
  must(run_vlm({"finetune", "--out", w / "killed", "--resume"}));
  CHECK(read_text(w / "whole/adapter/adapter_model.safetensors") ==
        read_text(w / "killed/adapter/adapter_model.safetensors"));
}

TEST_CASE("lowland-vlm: features from the cache are those that filled it, and another tower's are refused") {
  const TestFolder w;
  const auto train = [&](const std::string& name, std::vector<std::string> more) {
    std::vector<std::string> args = flags("eflat-lora", w / name);
    args.insert(args.end(), {"--epochs", "4"});
    args.insert(args.end(), more.begin(), more.end());
    return run_vlm(args);
  };
  const auto adapter = [&](const std::string& name) {
    return read_text(w / name + "/adapter/adapter_model.safetensors");
  };
  for (const char* name : {"filling", "reading"}) must(train(name, {"--cache-features", w / "features"}));
  CHECK(adapter("filling") == adapter("reading"));
  // Without a cache a picture goes through the tower once a batch. The last bits of a matrix product may depend on how
  // many rows it has, hence on what else the batch holds.
  must(train("plain", {"--logging-steps", "1"}));
  must(train("cached", {"--logging-steps", "1", "--cache-features", w / "features"}));
  const auto first_loss = [&](const char* name) {
    return read_metrics(w / name).front().at("loss_perturbed").get<double>();
  };
  CHECK(first_loss("cached") == doctest::Approx(first_loss("plain")).epsilon(1e-5));
  const TestFolder& task = tiny_task_of_pictures();
  must(run_vlm({"pretrain", "--class-dir", task / "classes", "--vision-model", task / "vision/model", "--max-steps",
                "2", "--threads", "1", "--out", w / "tower"}));
  must(run_vlm({"pretrain", "--vision-model", w / "tower/model", "--language-model", task / "language/model", "--task",
                "vqa", "--train", task / "train.jsonl", "--max-steps", "1", "--threads", "1", "--out", w / "base"}));
  const Outcome stale = train("stale", {"--model", w / "base/model", "--cache-features", w / "features"});
  CHECK(stale.exit_code == 1);
  INFO(stale.err);
  CHECK(stale.err.find("tower") != std::string::npos);
  const Outcome learnt = train("learnt", {"--tower", "lora", "--cache-features", w / "features"});
  CHECK(learnt.err.find("--cache-features needs a frozen vision tower") != std::string::npos);
}

TEST_CASE("lowland-vlm: bad input ends in one sentence") {
  const TestFolder w;
  const TestFolder& task = tiny_task_of_pictures();
  const std::string base = task / "base/model";
  const auto refused = [](const std::vector<std::string>& args, const std::string& what) {
    const Outcome o = run_vlm(args);
    CHECK(o.exit_code == 1);
    INFO(o.err);
    CHECK(o.err.find(what) != std::string::npos);
  };
  int runs = 0;
  const auto on = [&](const std::string& line) {
    w.write("q.jsonl", line + "\n");
    return std::vector<std::string>{"finetune",
                                    "--model",
                                    base,
                                    "--train",
                                    w / "q.jsonl",
                                    "--dev-fraction",
                                    "0",
                                    "--out",
                                    w / ("out" + std::to_string(++runs)),
                                    "--threads",
                                    "1"};
  };
  refused({"finetune", "--out", w / "out"}, "--model names the base checkpoint, and is missing");
  refused(on(R"({"image":"none.png","question":"q","answer":"a"})"), "q.jsonl:1: the picture ");
  w.write("bad.png", "\x89PNG\r\n\x1a\nrubbish");
  refused(on(R"({"image":"bad.png","question":"q","answer":"a"})"), "q.jsonl:1");
  w.write("good.png", flat_picture(9, {1, 2, 3}));
  refused(on(R"({"image":"good.png","question":"<image> and <image>","answer":"a"})"),
          "q.jsonl:1: 2 times <image> in the text, but 1 pictures");
  refused(on(R"({"image":"good.png","answer":"a"})"), "q.jsonl:1");
  std::vector<std::string> skipping = on(R"({"image":"bad.png","question":"q","answer":"a"})");
  w.write("q.jsonl", R"({"image":"bad.png","question":"q","answer":"a"})"
                     "\n"
                     R"({"image":"good.png","question":"q","answer":"a"})"
                     "\n");
  skipping.insert(skipping.end(), {"--skip-bad-images", "--max-steps", "1"});
  const Outcome o = run_vlm(skipping);
  must(o);
  CHECK(o.err.find("train: left out: 1 question has no readable picture") != std::string::npos);
  // Left out of predict's lines, too, with the numbers that the file gives them.
  const Outcome predicted = run_vlm({"predict", "--model", base, "--input", w / "q.jsonl", "--skip-bad-images"});
  must(predicted);
  CHECK(json::parse(predicted.out).at("index") == 1);
  CHECK(predicted.err.find("left out: 1 question has no readable picture") != std::string::npos);
  const std::string run = w / ("out" + std::to_string(runs));  // all frozen but the language model's pairs
  refused({"evaluate", "--run", run, "--test", w / "q.jsonl", "--split", "test", "--projector", "full"}, "--projector");
  refused({"finetune", "--model", base, "--adapter", run + "/adapter", "--train", w / "q.jsonl", "--projector", "full",
           "--skip-bad-images", "--out", w / "o3"},
          "--projector full: the adapter ");
  refused({"evaluate", "--run", run, "--test", w / "q.jsonl", "--split", "test", "--prompt-style", "llava"},
          "--prompt-style llava: the adapter ");
  refused(
      {"evaluate", "--run", run, "--test", w / "q.jsonl", "--split", "test", "--skip-bad-images", "--shuffle-images"},
      "--shuffle-images: the test split has no two questions with different images");
  refused({"finetune", "--model", base, "--train", w / "q.jsonl", "--skip-bad-images", "--dev-fraction", "0",
           "--modules-to-save", "nothing", "--out", w / "o4"},
          "--modules-to-save nothing: the model has no such module");
  refused({"finetune", "--model", base, "--adapter", run + "/adapter", "--train", w / "q.jsonl", "--method", "full",
           "--out", w / "o5"},
          "--method full trains the weights of a checkpoint, and --adapter ");
  refused({"finetune", "--model", base, "--train", w / "q.jsonl", "--targets", "nothing", "--skip-bad-images",
           "--dev-fraction", "0", "--out", w / "o6"},
          "--targets nothing matches no linear module of the model (they are q_proj, k_proj");
  refused({"evaluate", "--model", base, "--test", w / "q.jsonl"}, "; for --test say --split test");
  refused({"finetune", "--model", base, "--train", w / "q.jsonl", "--tower", "half", "--out", w / "o2"},
          "--tower must be frozen, lora or full, got half");
}

TEST_CASE("lowland-vlm: bench adapts what finetune does, the language model alone unless told otherwise") {
  const Outcome o = run_vlm({"bench", "--methods", "lora", "--targets", "all-linear", "--rank", "1", "--batch", "1",
                             "--length", "2", "--steps", "1", "--warmup", "0", "--device", "cpu", "--json"});
  must(o);
  const json row = json::parse(o.out);
  constexpr int64_t C = 768, F = 2048, L = 12;
  CHECK(row.at("trained") == L * (4 * (C + C) + 3 * (C + F)));
  CHECK(row.at("shape") == "1 x (49 + 2)");
}

TEST_CASE("lowland-vlm chat on a terminal: a picture that the next line is about, and one that is not there") {
  const TestFolder w;
  const TestFolder& task = tiny_task_of_pictures();
  const std::string picture = task / "classes/red/7.png", file = w / "talk.jsonl";
  const Outcome o = run_on_terminal(
      LL_VLM_PROGRAM, {"chat", "--model", task / "base/model", "--max-new-tokens", "4", "--threads", "1"}, {100},
      {{"> ", "/help\n"},
       {"> ", "/image\n"},
       {"> ", "/image " + (w / "none.png") + "\n"},
       {"> ", "/image " + picture + "\n"},
       {"> ", "which colour?\n"},
       {"> ", "/save " + file + "\n"},
       {"> ", "/exit\n"}});
  CAPTURE(o.out);
  CHECK(o.exit_code == 0);
  const auto has = [&](const std::string& text) { return o.out.find(text) != std::string::npos; };
  CHECK(has("/image FILE    a picture that the next line is about"));
  CHECK(has("/image FILE shows a picture"));
  CHECK(has("none.png"));
  CHECK(has("the next line is about this picture"));
  const json saved = json::parse(read_text(file));
  CHECK(saved.at("images") == json{picture});
  REQUIRE(saved.at("messages").size() == 2);
  CHECK(saved.at("messages")[0].at("content").get<std::string>().find("which colour?") != std::string::npos);
}
