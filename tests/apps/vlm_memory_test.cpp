// What lowland-vlm foretells of its memory against what its runs then hold, for every kind of vision tower.
#include <doctest/doctest.h>

#include "tests/apps/flat_picture.h"
#include "tests/apps/program.h"

using namespace lowland::test;
using nlohmann::json;

namespace {

// Questions of different lengths, some about a picture that others ask about too; every fourth about two pictures.
void write_questions(const TestFolder& w) {
  std::string train, text;
  for (int i = 0; i < 24; ++i) {
    const auto file = [](int number) {
      return "classes/" + std::string(number % 2 == 0 ? "even/" : "odd/") + std::to_string(number) + ".png";
    };
    w.write(file(i), flat_picture(9 + i, {10 * i, 200 - i, i}));
    json q = {{"image", file(i % 3 == 0 ? 0 : i)}, {"answer", i % 2 == 0 ? "even" : "odd"}};
    std::string asked = "is it even";
    for (int k = 0; k < i % 7; ++k) asked += " or odd";
    q["question"] = asked;
    if (i % 4 == 0) {
      q["image"] = json::array({file(i), file((i + 5) % 24)});
      q["question"] = "<image> <image> " + asked;
    }
    train += q.dump() + "\n";
    text += asked + ": " + q["answer"].get<std::string>() + "\n\n";
  }
  w.write("train.jsonl", train);
  w.write("text.txt", text);
}

// A base whose activations weigh as much as its weights.
const TestFolder& base_of_random_weights() {
  static const TestFolder* const made = [] {
    static TestFolder w;
    write_questions(w);
    w.write("vision.json", R"({"model_type":"clip_vision_model","hidden_size":32,"intermediate_size":64,
        "num_hidden_layers":4,"num_attention_heads":2,"image_size":24,"patch_size":4})");
    w.write("language.json", R"({"model_type":"llama","hidden_size":32,"intermediate_size":64,"num_hidden_layers":3,
        "num_attention_heads":4,"max_position_embeddings":256,"vocab_size":300})");
    must(run_vlm({"pretrain", "--class-dir", w / "classes", "--model-config", w / "vision.json", "--max-steps", "1",
                  "--threads", "1", "--out", w / "vision"}));
    must(run_llama({"pretrain", "--text", w / "text.txt", "--model-config", w / "language.json", "--vocab-size", "300",
                    "--max-steps", "1", "--threads", "1", "--out", w / "language"}));
    must(run_vlm({"pretrain", "--vision-model", w / "vision/model", "--language-model", w / "language/model", "--task",
                  "vqa", "--train", w / "train.jsonl", "--max-steps", "1", "--threads", "1", "--out", w / "base"}));
    return &w;
  }();
  return *made;
}

// A run, its memory as foretold within a tenth. Returns run.json.
json foretold_run(std::vector<std::string> args, const std::string& out) {
  args.insert(args.end(), {"--dev-fraction", "0", "--epochs", "2", "--threads", "1", "--out", out});
  const Outcome o = run_vlm(args);
  must(o);
  CHECK(o.err.find("memory at the peak of a step") != std::string::npos);
  json info = json::parse(read_text(out + "/run.json"));
  const double planned = info.at("planned_peak_bytes"), peak = info.at("peak_bytes");
  INFO(out, ": planned ", planned, ", measured ", peak, "\n", o.err);
  CHECK(planned > 0.9 * peak);
  CHECK(planned < 1.1 * peak);
  return info;
}

// The same about the questions.
json foretold(std::vector<std::string> args, const std::string& out) {
  const TestFolder& task = base_of_random_weights();
  args.insert(args.end(), {"--task", "vqa", "--train", task / "train.jsonl", "--batch-size", "4"});
  return foretold_run(args, out);
}

}  // namespace

TEST_CASE("lowland-vlm: memory is as foretold, whatever is trained") {
  const TestFolder w;
  const TestFolder& task = base_of_random_weights();
  const auto finetune = [&](const std::string& name, std::vector<std::string> more) {
    std::vector<std::string> args = {"finetune", "--model", task / "base/model", "--targets", "all-linear"};
    args.insert(args.end(), more.begin(), more.end());
    return foretold(args, w / name);
  };
  for (const std::string recompute : {"none", "block"}) {
    const auto run = [&](const std::string& name, std::vector<std::string> more) {
      more.insert(more.end(), {"--recompute", recompute});
      return finetune(name + "-" + recompute, more).at("planned_peak_bytes").get<int64_t>();
    };
    const int64_t frozen = run("frozen", {});
    run("cached", {"--cache-features", w / ("features-" + recompute)});
    const int64_t cached = run("cached-again", {"--cache-features", w / ("features-" + recompute)});
    CHECK(cached <= frozen);
    run("projector", {"--projector", "full", "--method", "eflat-lora"});
    run("projector-lora", {"--projector", "lora"});
    CHECK(run("tower-lora", {"--tower", "lora"}) > frozen);
    CHECK(run("tower", {"--tower", "full", "--projector", "full"}) > frozen);
    run("full", {"--method", "full"});
    run("narrow", {"--weights-dtype", "bf16", "--batch-tokens", "150"});
  }
  foretold({"pretrain", "--model", task / "base/model"}, w / "pretrain");
  CHECK(finetune("auto", {"--recompute", "auto"}).at("settings").at("recompute") == "none");
}

TEST_CASE("lowland-vlm: memory of a tower learnt by classes is as foretold") {
  const TestFolder w;
  const TestFolder& task = base_of_random_weights();
  const auto pretrain = [&](const std::string& name, std::vector<std::string> more) {
    more.insert(more.begin(), {"pretrain", "--class-dir", task / "classes", "--model-config", task / "vision.json",
                               "--batch-size", "8"});
    return foretold_run(more, w / name).at("planned_peak_bytes").get<int64_t>();
  };
  const int64_t kept = pretrain("kept", {}), accumulated = pretrain("accumulated", {"--grad-accum", "3"});
  CHECK(pretrain("again", {"--recompute", "block"}) < kept);
  CHECK(accumulated > kept);  // the pixels of the whole step are there
  CHECK(accumulated < 3 * kept);
  CHECK(pretrain("auto", {"--recompute", "auto"}) == kept);
}

TEST_CASE("lowland-vlm: inspect shows questions with their pictures, and the plan of finetune") {
  const TestFolder w;
  const TestFolder& task = base_of_random_weights();
  const auto with = [&](std::vector<std::string> args) {
    args.insert(args.end(), {"--model", task / "base/model", "--train", task / "train.jsonl", "--dev-fraction", "0",
                             "--targets", "all-linear", "--tower", "lora", "--batch-size", "4", "--threads", "1"});
    const Outcome o = run_vlm(args);
    must(o);
    return o;
  };
  const std::string seen = with({"inspect", "--show", "2"}).out;
  INFO(seen);
  CHECK(seen.find("train.jsonl:1, 2 of") != std::string::npos);  // a word, and the end
  CHECK(seen.find("train.jsonl:3") == std::string::npos);
  const auto images = [&](const std::string& file) { return seen.find("<image> " + (task / file)); };
  CHECK(images("classes/even/0.png") < images("classes/odd/5.png"));
  CHECK(images("classes/odd/5.png") < images("classes/odd/1.png"));
  CHECK(images("classes/odd/1.png") != std::string::npos);
  CHECK(seen.find("24 training examples about 20 pictures of 36 rows") != std::string::npos);
  CHECK(seen.find("model.vision_tower.encoder.layers.0.self_attn.q_proj  A (8,32)  B (32,8)") != std::string::npos);
  const auto plan = [](const std::string& text) {
    const size_t begin = text.find("memory at the peak of a step");
    return text.substr(begin, text.find("  free") - begin);
  };
  CHECK(plan(seen) == plan(with({"finetune", "-v", "--max-steps", "100", "--out", w / "run"}).err));
  CHECK(plan(seen).find("activations kept for the backward pass") != std::string::npos);
}
