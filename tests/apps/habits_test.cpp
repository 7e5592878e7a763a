// Names of transformers, TRL and peft: every row of the table in every program, and docs/from_peft.md beside it.
#include "apps/settings/habits.h"

#include <doctest/doctest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "apps/verbs/verbs.h"
#include "engine/error.h"
#include "tests/apps/program.h"

using namespace lowland;
using namespace lowland::apps;
using namespace lowland::test;
namespace fs = std::filesystem;

namespace {

using Args = std::vector<std::string>;

// The flags of every verb of a program, which are run by nobody.
struct Door {
  CLI::App app;
  explicit Door(const Family& family) {
    for (const AddVerb add : {add_finetune, add_pretrain, add_evaluate, add_predict, add_probe, add_inspect})
      add(app, family);
    if (family.session()->takes_system) add_generate(app, family);
    app.require_subcommand(1);
  }
  bool anywhere(const std::string& flag) {
    const auto verbs = app.get_subcommands({});
    return std::any_of(verbs.begin(), verbs.end(),
                       [&](const CLI::App* v) { return v->get_option_no_throw(flag) != nullptr; });
  }
};

std::string first_word(std::string_view text) { return std::string(text.substr(0, text.find(' '))); }

std::string with_value(std::string_view text, const std::string& value) {
  std::string out(text);
  if (const size_t star = out.find('*'); star != std::string::npos) out.replace(star, 1, value);
  return out;
}

std::string joined(const Args& args) {
  std::string out;
  for (const std::string& arg : args) out += (out.empty() ? "" : " ") + arg;
  return out;
}

// What the arguments become, or the error; notes behind a bar.
std::string taken(Args args, const CLI::App& verb) {
  try {
    const std::vector<std::string> notes = take_habits(args, verb);
    return joined(args) + (notes.empty() ? "" : "|" + joined(notes));
  } catch (const Error& e) {
    return e.what();
  }
}

std::string expected(const Habit& habit, const std::string& typed, const std::string& value, const CLI::App& verb) {
  if (habit.kind == Habit::Kind::refused) return typed + ": " + std::string(habit.text);
  if (habit.kind == Habit::Kind::anyway)
    return "--rho 1" + (habit.text.empty() ? "" : "|" + typed + ": " + std::string(habit.text));
  const std::string flags = with_value(habit.text, value);
  if (verb.get_option_no_throw(first_word(flags)) == nullptr)
    return typed + " stands for " + flags + ", which finetune does not have";
  return flags + " --rho 1";
}

}  // namespace

TEST_CASE("habits: each row of the table in each program, in every spelling") {
  Door doors[] = {Door(roberta_app()), Door(llama_app()), Door(vlm_app())};
  std::set<std::string> seen;
  for (const Habit& habit : habits()) {
    const std::string name = "--" + std::string(habit.name);
    const bool any = habit.value == "*" || habit.value == "+", truth = habit.value == "true" || habit.value == "false";
    const std::string value = any ? "word" : std::string(habit.value);
    CAPTURE(name);
    CAPTURE(value);
    CHECK(seen.insert(name + " " + std::string(habit.value)).second);  // no row is hidden by one before it
    for (Door& door : doors) {
      const CLI::App& verb = *door.app.get_subcommand("finetune");
      const std::string typed = name + " " + value;
      CHECK(taken({name, value, "--rho", "1"}, verb) == expected(habit, typed, value, verb));
      CHECK(taken({name + "=" + value, "--rho", "1"}, verb) == expected(habit, typed, value, verb));
      if (habit.value == "true") CHECK(taken({name, "--rho", "1"}, verb) == expected(habit, name, value, verb));
      if (truth) {
        const std::string python = value == "true" ? "True" : "False";
        CHECK(taken({name, python, "--rho", "1"}, verb) == expected(habit, name + " " + python, value, verb));
      }
      if (habit.value == "+")
        CHECK(taken({name, "a", "b", "--rho", "1"}, verb) == expected(habit, name + " a,b", "a,b", verb));
    }
    if (habit.kind == Habit::Kind::read_as) {
      const std::string flag = first_word(habit.text);
      CHECK(std::any_of(std::begin(doors), std::end(doors), [&](Door& d) { return d.anywhere(flag); }));
    }
  }
}

TEST_CASE("habits: what is no habit stays, and what cannot be both is refused") {
  Door door(roberta_app());
  const CLI::App& verb = *door.app.get_subcommand("finetune");
  CHECK(taken({"--optim", "sgd", "--lr=1"}, verb) == "--optim sgd --lr=1");
  CHECK(taken({"--optim", "AdamW_Torch"}, verb) == "--optimizer adamw");
  CHECK(taken({"--tf32", "True", "--rslora"}, verb) == "--tf32=true --rslora");
  CHECK(taken({"--epochs", "3.0", "--num-train-epochs=2.00"}, verb) == "--epochs 3 --num-train-epochs 2");
  CHECK(taken({"--epochs", "2.5"}, verb) == "--epochs 2.5: passes are whole here; --max-steps N stops within one");
  CHECK(taken({"--max-steps", "-1"}, verb) == "--max-steps 0");
  CHECK(taken({"--bf16", "--dtype", "f32"}, verb) ==
        "--bf16 stands for --dtype bf16, and --dtype is given, too: which counts?");
  CHECK(taken({"--dtype", "bfloat16", "--dtype", "f32"}, verb) == "--dtype bf16 --dtype f32");  // the last one counts
  CHECK(taken({"--report-to"}, verb) == "--report-to needs a value");
  CHECK(taken({"--eval-strategy", "often"}, verb) ==
        "--eval-strategy is known with the values epoch, steps, no, not with `often`");
  CHECK(taken({"--dtype", "bfloat16"}, *door.app.get_subcommand("predict")) == "--dtype bf16");
  CHECK(taken({"--optim", "adamw_torch"}, *door.app.get_subcommand("predict")) == "--optim adamw_torch");  // finetune's
  CHECK(taken({"--unknown", "--", "--"}, verb) == "--unknown -- --");
}

TEST_CASE("habits: docs/from_peft.md names each of them, and no flag that is not there") {
  std::string text = read_text(std::string(LL_SOURCE_DIR) + "/docs/from_peft.md");
  Door doors[] = {Door(roberta_app()), Door(llama_app()), Door(vlm_app())};
  std::set<std::string> known;
  for (const Habit& habit : habits()) {
    const std::string name = "--" + std::string(habit.name);
    known.insert(name);
    CAPTURE(name);
    CHECK(text.find(name) != std::string::npos);
  }
  const auto is_flag = [&](const std::string& flag) {
    return known.contains(flag) ||
           std::any_of(std::begin(doors), std::end(doors), [&](Door& d) { return d.anywhere(flag); });
  };
  int flags = 0;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    for (size_t at = line.find("`--"); at != std::string::npos; at = line.find("`--", at + 1)) {
      std::string flag = line.substr(at + 1, line.find_first_of("` =", at + 1) - at - 1);
      std::replace(flag.begin(), flag.end(), '_', '-');
      CAPTURE(line);
      CAPTURE(flag);
      if (flag.size() > 2) CHECK((is_flag(flag) || flag == "--adapter"));
      ++flags;
    }
    // The names of the left column are what people type.
    if (!line.starts_with("| `") || line.starts_with("| `--")) continue;
    const std::string names = line.substr(0, line.find('|', 1));
    for (size_t at = names.find('`'); at != std::string::npos; at = names.find('`', at + 1)) {
      const size_t end = names.find('`', at + 1);
      std::string flag = "--" + names.substr(at + 1, end - at - 1);
      std::replace(flag.begin(), flag.end(), '_', '-');
      CAPTURE(flag);
      CHECK(is_flag(flag));
      at = end;
    }
  }
  CHECK(flags > 150);
}

TEST_CASE("habits: a command line of a Trainer script trains what our own names train") {
  const test::TestFolder w;
  const test::TestFolder& t = tiny_task();
  const auto run = [&](const std::string& model, const std::string& out, const std::string& flags) {
    std::istringstream in(flags);
    Args args{"finetune", model, t / "pretrained/model", "--data", t / "data", out, w / out};
    for (std::string word; in >> word;) args.push_back(word);
    const Outcome o = run_program(args);
    INFO(o.err);
    REQUIRE(o.exit_code == 0);
    return o;
  };
  const Outcome theirs = run(
      "--model_name_or_path", "--output_dir",
      "--task_name sst2 --num_train_epochs 1.0 --per_device_train_batch_size=8 --learning_rate 5e-3 --lora_r 4 "
      "--lora_alpha=8 --target_modules query value --gradient_checkpointing True --optim adamw_torch "
      "--lr_scheduler_type constant_with_warmup --warmup_steps 4 --eval_strategy epoch --save_strategy=epoch "
      "--logging_steps 4 --report_to none --load_best_model_at_end --packing False --fp16 False --do_train --do_eval "
      "--seed 7 --threads 1");
  CHECK(theirs.err.find("--load-best-model-at-end: the best step is in RUN/adapter-best") != std::string::npos);
  run("--model", "--out",
      "--task sst2 --epochs 1 --batch-size 8 --lr 5e-3 --rank 4 --alpha 8 --targets query,value --recompute block "
      "--schedule constant --warmup-steps 4 --logging-steps 4 --seed 7 --threads 1");
  const std::string file = "/adapter/adapter_model.safetensors";
  CHECK(read_text(w / ("--output_dir" + file)) == read_text(w / ("--out" + file)));
  const std::vector<nlohmann::json> lines = read_metrics(w / "--out");
  CHECK(lines.at(0).at("learning_rate") == doctest::Approx(5e-3 * 3 / 4));
  CHECK(lines.at(1).at("learning_rate") == doctest::Approx(5e-3));
  const Outcome half = run_program({"finetune", "--fp16", "--model", t / "pretrained/model"});
  CHECK(half.exit_code == 1);
  CHECK(half.err.find("error: --fp16: there is no fp16 here") == 0);
}

TEST_CASE("early stopping, the limit of checkpoints and the metric of the best step") {
  const test::TestFolder w;
  const auto flags_of = [&](const std::string& name, const Args& more) {
    Args flags = finetune_flags("lora", w / name);  // evaluates every 5 steps of 24
    flags.insert(flags.end(), more.begin(), more.end());
    return flags;
  };
  const auto json_of = [&](const std::string& name) {
    return nlohmann::json::parse(read_text(w / (name + "/run.json")));
  };
  const Outcome o =
      run_program(flags_of("run", {"--lr", "1e-12", "--early-stopping-patience", "2", "--save-total-limit", "1"}));
  INFO(o.err);
  REQUIRE(o.exit_code == 0);
  CHECK(o.err.find("stopped early: 2 evaluations without one better than step 5's") != std::string::npos);
  CHECK(json_of("run").at("steps") == 15);
  CHECK(json_of("run").at("best_step") == 5);
  const std::vector<nlohmann::json> lines = read_metrics(w / "run");
  CHECK(lines.back().at("step") == 15);
  CHECK(lines.back().contains("loss"));  // of steps 13 to 15, which no line had yet
  CHECK(fs::exists(w / "run/checkpoint-15"));
  CHECK(!fs::exists(w / "run/checkpoint-12"));
  const std::string adapter = read_text(w / "run/adapter/adapter_model.safetensors");
  const Outcome again = run_program({"finetune", "--resume", "--out", w / "run"});
  INFO(again.err);
  CHECK(again.exit_code == 0);
  CHECK(read_text(w / "run/adapter/adapter_model.safetensors") == adapter);
  CHECK(json_of("run").at("steps") == 15);

  REQUIRE(
      run_program(flags_of("loss", {"--metric-for-best-model", "eval_loss", "--save-total-limit", "0"})).exit_code ==
      0);
  const nlohmann::json best = json_of("loss").at("best_score");
  CHECK(best.at("name") == "loss");
  double least = 1e9;
  for (const nlohmann::json& line : read_metrics(w / "loss"))
    if (line.contains("eval_loss")) least = std::min(least, line.at("eval_loss").get<double>());
  CHECK(best.at("value") == least);
  for (int step = 3; step <= 24; step += 3) CHECK(fs::exists(w / ("loss/checkpoint-" + std::to_string(step))));

  CHECK(run_program(flags_of("none", {"--metric-for-best-model", "f1"}))
            .err.find("error: --metric-for-best-model f1 is not measured here: accuracy, loss") != std::string::npos);
  CHECK(!fs::exists(w / "none"));
}

TEST_CASE("columns: names of one's own are the text's and the label's, in the run and after it") {
  const test::TestFolder w;
  const test::TestFolder& t = tiny_task();
  const auto run = [&](const std::string& out, const Args& more) {
    Args args{"finetune",
              "--model",
              t / "pretrained/model",
              "--task",
              "text",
              "--train",
              t / "data/SST-2/train.tsv",
              "--dev",
              t / "data/SST-2/dev.tsv",
              "--max-steps",
              "2",
              "--threads",
              "1",
              "--out",
              w / out};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome o = run_program(args);
    INFO(o.err);
    REQUIRE(o.exit_code == 0);
  };
  run("one", {"--columns", "text=sentence,label=label"});
  run("two", {"--text-column", "sentence"});
  const std::string file = "/adapter/adapter_model.safetensors";
  CHECK(read_text(w / ("one" + file)) == read_text(w / ("two" + file)));
  const Outcome scored = run_program({"evaluate", "--run", w / "one", "--threads", "1"});
  INFO(scored.err);
  CHECK(scored.exit_code == 0);
  w.write("lines.csv", "sentence\nthe soup tastes fine\n");
  const Outcome labelled =
      run_program({"predict", "--run", w / "one", "--columns", "text=sentence", "--threads", "1", w / "lines.csv"});
  INFO(labelled.err);
  CHECK(labelled.exit_code == 0);
  w.write("train.parquet", "PAR1");
  const Outcome parquet = run_program({"finetune", "--model", t / "pretrained/model", "--task", "text", "--train",
                                       w / "train.parquet", "--out", w / "none"});
  CHECK(parquet.err.find("Parquet is not read here; in Python, pandas.read_parquet(") != std::string::npos);
  const Outcome known = run_program({"finetune", "--model", t / "pretrained/model", "--task", "sst2", "--data",
                                     t / "data", "--columns", "text=sentence", "--out", w / "none"});
  CHECK(known.err.find("error: --columns is for --task text: the columns of sst2 are known") != std::string::npos);
}
