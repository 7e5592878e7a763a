#include "apps/settings/habits.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>

#include "engine/error.h"

namespace lowland::apps {
namespace {

constexpr auto kAs = Habit::Kind::read_as, kSo = Habit::Kind::anyway, kNo = Habit::Kind::refused;

constexpr std::string_view kPacked = "batches are packed rows without padding, and no text sees another";
constexpr std::string_view kOneProcess = "one process trains on one device here";
constexpr std::string_view kFromFiles =
    "data comes from files, --train FILE: in Python load_dataset(NAME)[\"train\"].to_json(\"train.jsonl\") writes one";
constexpr std::string_view kNoTracker =
    "nothing is sent to a tracker: RUN/metrics.jsonl has every logged line and RUN/report.html the curves";
constexpr std::string_view kNoUpload = "nothing is uploaded: RUN/adapter is a folder that `hf upload` takes";
constexpr std::string_view kNoFp16 =
    "there is no fp16 here, whose losses would have to be scaled: --dtype is f32 or bf16";
constexpr std::string_view kOptimizers = "--optimizer is adamw, sgd or ivon, with their state in f32";
constexpr std::string_view kEvalSteps = "--eval-steps N says how often, and the last step is always evaluated";
constexpr std::string_view kSaveSteps = "--save-steps N says how often, and the last step always has a checkpoint";
constexpr std::string_view kDraws = "--temperature 1 draws tokens, and 0 takes the likeliest";

constexpr Habit kHabits[] = {
    // --- model and data
    {"model-name-or-path", "*", kAs, "--model *"},
    {"model-name", "*", kAs, "--model *"},
    {"pretrained-model-name-or-path", "*", kAs, "--model *"},
    {"base-model", "*", kAs, "--model *"},
    {"adapter-name-or-path", "*", kAs, "--adapter *"},
    {"lora-weights", "*", kAs, "--adapter *"},
    {"tokenizer-name", "*", kAs, "--tokenizer *"},
    {"tokenizer-name-or-path", "*", kAs, "--tokenizer *"},
    {"task-name", "*", kAs, "--task *"},
    {"train-file", "*", kAs, "--train *"},
    {"data-path", "*", kAs, "--train *"},
    {"validation-file", "*", kAs, "--dev *"},
    {"eval-file", "*", kAs, "--dev *"},
    {"test-file", "*", kAs, "--test *"},
    {"dataset-name", "*", kNo, kFromFiles},
    {"dataset-config-name", "*", kNo, kFromFiles},
    {"dataset-train-split", "*", kNo, kFromFiles},
    {"dataset-test-split", "*", kNo, kFromFiles},
    {"dataset-text-field", "*", kAs, "--columns text=*"},
    {"val-size", "*", kAs, "--dev-fraction *"},
    {"val-set-size", "*", kAs, "--dev-fraction *"},
    {"model-max-length", "*", kAs, "--max-length *"},
    {"cutoff-len", "*", kAs, "--max-length *"},
    {"block-size", "*", kAs, "--max-length *"},
    {"image-folder", "*", kAs, "--image-dir *"},
    {"vision-tower", "*", kAs, "--vision-model *"},
    {"chat-template-path", "*", kAs, "--chat-template *"},
    {"completion-only-loss", "true", kAs, "--loss assistant"},
    {"completion-only-loss", "false", kAs, "--loss all"},
    {"assistant-only-loss", "true", kAs, "--loss assistant"},
    {"assistant-only-loss", "false", kAs, "--loss all"},
    {"train-on-inputs", "true", kAs, "--loss all"},
    {"train-on-inputs", "false", kAs, "--loss assistant"},
    {"packing", "true", kSo, kPacked},
    {"packing", "false", kSo, ""},
    {"padding-free", "true", kSo, kPacked},
    {"padding-free", "false", kSo, kPacked},
    {"pad-to-max-length", "true", kSo, kPacked},
    {"pad-to-max-length", "false", kSo, ""},
    {"group-by-length", "true", kSo, ""},
    {"group-by-length", "false", kSo, "a step holds examples of like length anyway"},
    {"remove-unused-columns", "true", kSo, ""},
    {"remove-unused-columns", "false", kSo, "columns that are not named are not read"},
    {"dataset-num-proc", "*", kSo, "--threads N is for all the work"},
    {"preprocessing-num-workers", "*", kSo, "--threads N is for all the work"},
    {"dataloader-num-workers", "*", kSo, "batches are packed from texts in memory, which takes no worker"},
    {"dataloader-pin-memory", "true", kSo, ""},
    {"dataloader-pin-memory", "false", kSo, ""},
    {"dataloader-drop-last", "true", kNo, "an epoch is all examples: its last step takes what is left"},
    {"dataloader-drop-last", "false", kSo, ""},
    {"overwrite-cache", "true", kSo, "nothing that was made of the data is kept"},
    {"use-fast-tokenizer", "true", kSo, ""},
    {"trust-remote-code", "true", kSo, "no code of a checkpoint is ever run"},
    {"trust-remote-code", "false", kSo, ""},

    // --- adapter
    {"use-peft", "true", kSo, ""},
    {"use-peft", "false", kAs, "--method full"},
    {"lora-enable", "true", kSo, ""},
    {"lora-enable", "false", kAs, "--method full"},
    {"r", "*", kAs, "--rank *"},
    {"lora-rank", "*", kAs, "--rank *"},
    {"target-modules", "+", kAs, "--targets *"},
    {"targets", "+", kAs, "--targets *"},
    {"lora-target", "+", kAs, "--targets *"},
    {"lora-target-modules", "+", kAs, "--targets *"},
    {"modules-to-save", "+", kAs, "--modules-to-save *"},
    {"lora-modules-to-save", "+", kAs, "--modules-to-save *"},
    {"loraplus-lr-ratio", "*", kAs, "--lora-plus-ratio *"},
    {"task-type", "*", kSo, ""},
    {"lora-task-type", "*", kSo, ""},
    {"trainable-token-indices", "*", kNo, "--add-tokens FILE adds tokens and trains their rows"},
    {"load-in-4bit", "true", kAs, "--weights-dtype nf4"},
    {"load-in-4bit", "false", kSo, ""},
    {"load-in-8bit", "true", kAs, "--weights-dtype int8"},
    {"load-in-8bit", "false", kSo, ""},

    // --- training
    {"num-epochs", "*", kAs, "--epochs *"},
    {"micro-batch-size", "*", kAs, "--batch-size *"},
    {"max-steps", "-1", kAs, "--max-steps 0"},
    {"per-device-eval-batch-size", "*", kSo, "--batch-size holds for evaluation, too, and no score depends on it"},
    {"auto-find-batch-size", "true", kNo,
     "`inspect` tells what a step needs; a smaller --batch-size with more --grad-accum, and --recompute auto, need "
     "less"},
    {"auto-find-batch-size", "false", kSo, ""},
    {"gradient-checkpointing", "true", kAs, "--recompute block"},
    {"gradient-checkpointing", "false", kAs, "--recompute none"},
    {"gradient-checkpointing-kwargs", "*", kSo, "--recompute block has no variants"},
    {"use-cache", "true", kSo, ""},
    {"use-cache", "false", kSo, ""},
    {"lr-scheduler-kwargs", "*", kNo, "--schedule has transformers' defaults: one cycle, power 1, down to 1e-7"},
    {"optim", "adamw_torch", kAs, "--optimizer adamw"},
    {"optim", "adamw_torch_fused", kAs, "--optimizer adamw"},
    {"optim", "adamw_hf", kAs, "--optimizer adamw"},
    {"optim", "adamw_apex_fused", kAs, "--optimizer adamw"},
    {"optim", "paged_adamw_32bit", kNo, kOptimizers},
    {"optim", "paged_adamw_8bit", kNo, kOptimizers},
    {"optim", "adamw_8bit", kNo, kOptimizers},
    {"optim", "adamw_bnb_8bit", kNo, kOptimizers},
    {"optim", "adafactor", kNo, kOptimizers},
    {"adafactor", "true", kNo, kOptimizers},
    {"adafactor", "false", kSo, ""},
    {"mm-projector-lr", "*", kNo, "all that is trained has one --lr; --lora-plus-ratio sets B's apart from A's"},
    {"neftune-noise-alpha", "*", kNo,
     "no noise is put on embeddings here; what looks for flat minima is --method eflat-lora"},
    {"eval-strategy", "epoch", kAs, "--eval-steps 0"},
    {"eval-strategy", "steps", kSo, kEvalSteps},
    {"eval-strategy", "no", kNo, kEvalSteps},
    {"evaluation-strategy", "epoch", kAs, "--eval-steps 0"},
    {"evaluation-strategy", "steps", kSo, kEvalSteps},
    {"evaluation-strategy", "no", kNo, kEvalSteps},
    {"eval-on-start", "true", kNo, "`evaluate` without --adapter scores the base"},
    {"eval-on-start", "false", kSo, ""},
    {"eval-accumulation-steps", "*", kSo, ""},
    {"save-strategy", "epoch", kAs, "--save-steps 0"},
    {"save-strategy", "steps", kSo, kSaveSteps},
    {"save-strategy", "best", kSo, "RUN/adapter-best is the best step; checkpoints are what --resume needs"},
    {"save-strategy", "no", kNo, kSaveSteps},
    {"save-safetensors", "true", kSo, ""},
    {"save-safetensors", "false", kNo, "weights are written as safetensors only"},
    {"save-only-model", "true", kNo, "RUN/adapter is the result alone; checkpoints hold what --resume needs"},
    {"save-only-model", "false", kSo, ""},
    {"logging-strategy", "steps", kSo, ""},
    {"logging-strategy", "*", kNo, "--logging-steps N says how often"},
    {"logging-first-step", "true", kNo, "--logging-steps 1 logs every step"},
    {"logging-first-step", "false", kSo, ""},
    {"load-best-model-at-end", "true", kSo, "the best step is in RUN/adapter-best, beside the last in RUN/adapter"},
    {"load-best-model-at-end", "false", kSo, ""},
    {"greater-is-better", "true", kSo, "of loss and mse the lower is better, of every other metric the higher"},
    {"greater-is-better", "false", kSo, "of loss and mse the lower is better, of every other metric the higher"},
    {"early-stopping-threshold", "0", kSo, ""},
    {"early-stopping-threshold", "0.0", kSo, ""},
    {"early-stopping-threshold", "*", kNo, "for --early-stopping-patience every better score counts"},
    {"data-seed", "*", kNo, "--seed is that of the order, too"},
    {"full-determinism", "true", kSo, "the same --seed gives the same bits anyway"},
    {"full-determinism", "false", kSo, ""},
    {"do-train", "true", kSo, ""},
    {"do-train", "false", kNo, "verbs say what is done: finetune, evaluate, predict"},
    {"do-eval", "true", kSo, ""},
    {"do-eval", "false", kNo, kEvalSteps},
    {"do-predict", "true", kNo, "verbs say what is done: finetune, evaluate, predict"},
    {"do-predict", "false", kSo, ""},

    // --- machine
    {"bf16", "true", kAs, "--dtype bf16"},
    {"bf16", "false", kAs, "--dtype f32"},
    {"fp16", "true", kNo, kNoFp16},
    {"fp16", "false", kSo, ""},
    {"dtype", "bfloat16", kAs, "--dtype bf16"},
    {"dtype", "float32", kAs, "--dtype f32"},
    {"dtype", "float16", kNo, kNoFp16},
    {"torch-dtype", "auto", kAs, "--dtype auto"},
    {"torch-dtype", "bfloat16", kAs, "--dtype bf16"},
    {"torch-dtype", "float32", kAs, "--dtype f32"},
    {"torch-dtype", "float16", kNo, kNoFp16},
    {"no-cuda", "true", kAs, "--device cpu"},
    {"no-cuda", "false", kSo, ""},
    {"use-cpu", "true", kAs, "--device cpu"},
    {"use-cpu", "false", kSo, ""},
    {"attn-implementation", "*", kSo, "attention is the engine's own, exact and without a mask"},
    {"torch-compile", "true", kSo, "nothing is interpreted that could be compiled"},
    {"torch-compile", "false", kSo, ""},
    {"use-liger-kernel", "true", kSo, "the head and its loss are one kernel anyway"},
    {"use-liger-kernel", "false", kSo, ""},
    {"deepspeed", "*", kNo, kOneProcess},
    {"fsdp", "*", kNo, kOneProcess},
    {"fsdp-config", "*", kNo, kOneProcess},
    {"local-rank", "*", kNo, kOneProcess},
    {"ddp-find-unused-parameters", "true", kSo, kOneProcess},
    {"ddp-find-unused-parameters", "false", kSo, ""},

    // --- output
    {"overwrite-output-dir", "true", kAs, "--overwrite"},
    {"overwrite-output-dir", "false", kSo, ""},
    {"resume-from-checkpoint", "true", kAs, "--resume"},
    {"resume-from-checkpoint", "false", kSo, ""},
    {"resume-from-checkpoint", "*", kNo, "--resume goes on from the newest whole checkpoint in --out"},
    {"report-to", "none", kSo, ""},
    {"report-to", "tensorboard", kAs, "--tensorboard"},
    {"report-to", "*", kNo, kNoTracker},
    {"run-name", "*", kNo, "a run has the name of its folder, --out"},
    {"logging-dir", "*", kNo, kNoTracker},
    {"disable-tqdm", "true", kSo, "a bar is drawn on a terminal only"},
    {"disable-tqdm", "false", kSo, ""},
    {"push-to-hub", "true", kNo, kNoUpload},
    {"push-to-hub", "false", kSo, ""},
    {"hub-model-id", "*", kNo, kNoUpload},
    {"hub-token", "*", kNo, kNoUpload},

    // --- text that is generated
    {"do-sample", "true", kNo, kDraws},
    {"do-sample", "false", kAs, "--temperature 0"},
};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// true or false, or nothing for another word.
std::string truth_of(const std::string& text) {
  const std::string word = lower(text);
  if (word == "true" || word == "yes" || word == "1" || word == "on") return "true";
  if (word == "false" || word == "no" || word == "0" || word == "off") return "false";
  return "";
}

std::vector<const Habit*> rows_of(std::string_view name) {
  std::vector<const Habit*> rows;
  for (const Habit& habit : kHabits)
    if (habit.name == name) rows.push_back(&habit);
  return rows;
}

bool is_truth(const Habit* habit) { return habit->value == "true" || habit->value == "false"; }

const Habit* fitting(const std::vector<const Habit*>& rows, const std::string& value) {
  for (const Habit* habit : rows) {
    const bool any = habit->value == "*" || habit->value == "+";
    if (any || habit->value == (is_truth(habit) ? truth_of(value) : lower(value))) return habit;
  }
  return nullptr;
}

// An argument as it was typed: --name, and the values that belong to it.
struct Typed {
  std::string name;
  std::vector<std::string> values;
  size_t end = 0;  // of its arguments
  std::string value() const { return fmt::format("{}", fmt::join(values, ",")); }
  std::string text() const { return values.empty() ? "--" + name : fmt::format("--{} {}", name, value()); }
};

Typed typed_at(const std::vector<std::string>& args, size_t at, const std::vector<const Habit*>& rows) {
  const size_t equals = args[at].find('=');
  Typed typed{args[at].substr(2, equals - 2), {}, at + 1};
  if (equals != std::string::npos) {
    typed.values.push_back(args[at].substr(equals + 1));
    return typed;
  }
  const auto follows = [&] { return typed.end < args.size() && !args[typed.end].starts_with("--"); };
  const bool truth = std::all_of(rows.begin(), rows.end(), is_truth);
  const bool many = !rows.empty() && rows.front()->value == "+";
  while (follows() && (!truth || !truth_of(args[typed.end]).empty())) {
    typed.values.push_back(args[typed.end++]);
    if (!many) break;
  }
  return typed;
}

// "--recompute block" with the value in its place, as two arguments at most.
std::vector<std::string> flags_for(const Habit& habit, const std::string& value) {
  const size_t blank = habit.text.find(' ');
  std::vector<std::string> flags{std::string(habit.text.substr(0, blank))};
  if (blank == std::string_view::npos) return flags;
  std::string given(habit.text.substr(blank + 1));
  if (const size_t star = given.find('*'); star != std::string::npos) given.replace(star, 1, value);
  flags.push_back(given);
  return flags;
}

// Of --epochs 3.0 the 3; nothing where there is no point.
std::string whole_epochs(const std::string& text) {
  const size_t point = text.find('.');
  if (point == std::string::npos || point == 0) return "";
  LL_CHECK(text.find_first_not_of('0', point + 1) == std::string::npos,
           "--epochs {}: passes are whole here; --max-steps N stops within one", text);
  return text.substr(0, point);
}

bool given_besides(const CLI::Option& option, const std::vector<std::string>& args, size_t begin, size_t end) {
  for (size_t i = 0; i < args.size(); ++i) {
    if (i >= begin && i < end) continue;
    const std::string name = args[i].substr(0, args[i].find('='));
    if (name.starts_with("--") && option.check_lname(name.substr(2))) return true;
  }
  return false;
}

// What stands in the place of a habit.
std::vector<std::string> replacement(const Habit& habit, const Typed& typed, const std::vector<std::string>& args,
                                     size_t at, const CLI::App& verb) {
  std::vector<std::string> flags = flags_for(habit, typed.value());
  const CLI::Option* option = verb.get_option_no_throw(flags.front());
  LL_CHECK(option != nullptr, "{} stands for {}, which {} does not have", typed.text(), fmt::join(flags, " "),
           verb.get_name());
  LL_CHECK(option->check_lname(typed.name) || !given_besides(*option, args, at, typed.end),
           "{} stands for {}, and {} is given, too: which counts?", typed.text(), fmt::join(flags, " "), flags.front());
  return flags;
}

// What stands in the place of the arguments up to `end`.
struct Reading {
  std::vector<std::string> flags;
  size_t end = 0;
  std::string note;
};

std::optional<Reading> read_habit(const std::vector<const Habit*>& rows, const std::vector<std::string>& args,
                                  size_t at, const CLI::App& verb) {
  const Typed typed = typed_at(args, at, rows);
  const bool bare = typed.values.empty();
  const Habit* habit = fitting(rows, bare ? "true" : typed.value());
  if (habit == nullptr || (bare && !is_truth(habit))) {
    if (verb.get_option_no_throw("--" + typed.name) != nullptr) return {};  // which says what it takes
    LL_CHECK(!bare, "--{} needs a value", typed.name);
    std::vector<std::string_view> known;
    for (const Habit* row : rows) known.push_back(row->value);
    fail("--{} is known with the values {}, not with `{}`", typed.name, fmt::join(known, ", "), typed.value());
  }
  LL_CHECK(habit->kind != Habit::Kind::refused, "{}: {}", typed.text(), habit->text);
  if (habit->kind == Habit::Kind::read_as) return Reading{replacement(*habit, typed, args, at, verb), typed.end, ""};
  return Reading{{}, typed.end, habit->text.empty() ? "" : fmt::format("{}: {}", typed.text(), habit->text)};
}

bool is_of_another_verb(const std::string& flag, const CLI::App& verb) {
  if (verb.get_option_no_throw(flag) != nullptr || verb.get_parent() == nullptr) return false;
  const CLI::App& program = *verb.get_parent();
  const auto verbs = program.get_subcommands([](const CLI::App*) { return true; });
  return std::any_of(verbs.begin(), verbs.end(),
                     [&](const CLI::App* other) { return other->get_option_no_throw(flag) != nullptr; });
}

std::optional<Reading> read(const std::vector<std::string>& args, size_t at, const CLI::App& verb) {
  if (!args[at].starts_with("--") || args[at].size() == 2) return {};
  const std::string name = args[at].substr(2, args[at].find('=') - 2);
  if (is_of_another_verb("--" + name, verb)) return {};  // which is told as such
  if (const std::vector<const Habit*> rows = rows_of(name); !rows.empty()) return read_habit(rows, args, at, verb);
  const CLI::Option* option = verb.get_option_no_throw("--" + name);
  const bool joined = args[at].size() > name.size() + 2, last = at + 1 == args.size();
  if (option == nullptr || (!joined && last)) return {};
  const std::string value = joined ? args[at].substr(name.size() + 3) : args[at + 1];
  const size_t end = at + (joined ? 1 : 2);
  const bool is_switch = option->get_items_expected_max() == 0;
  if (is_switch && !truth_of(value).empty()) return Reading{{"--" + name + "=" + truth_of(value)}, end, ""};
  if (option->check_lname("epochs"))
    if (const std::string whole = whole_epochs(value); !whole.empty()) return Reading{{"--" + name, whole}, end, ""};
  return {};
}

}  // namespace

std::span<const Habit> habits() { return kHabits; }

std::vector<std::string> take_habits(std::vector<std::string>& args, const CLI::App& verb) {
  std::vector<std::string> notes;
  for (size_t at = 0; at < args.size();) {
    const std::optional<Reading> reading = read(args, at, verb);
    if (!reading) {
      ++at;
      continue;
    }
    if (!reading->note.empty()) notes.push_back(reading->note);
    args.erase(args.begin() + at, args.begin() + reading->end);
    args.insert(args.begin() + at, reading->flags.begin(), reading->flags.end());
    at += reading->flags.size();
  }
  return notes;
}

}  // namespace lowland::apps
