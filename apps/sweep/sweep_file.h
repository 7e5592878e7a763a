// A sweep: runs of `finetune` that one TOML file lists as a grid.
//
//   title = "Few-shot"                          what the report is called
//   seeds = [1, 2, 3]
//   baseline = "lora"                           what the others are compared with; else the first method
//   score = ["dev", "test"]                    the splits that a trained model is scored on; else these two
//   keep-adapters = true                        OUT/adapters/RUN, a peft folder each; else none
//   probes = ["sharpness", "balance"]           names of apps/train/probes.h, measured at the end; else sharpness
//   quantise = ["q4_0", "nf4"]                 names of apps/train/roundings.h: also score the model merged and rounded
//   [all]                                       flags of every run
//   model = "{model}"                           {NAME}: from --set NAME=VALUE; {seed}: the run's
//   [[models]]                                  optional, as tasks
//   [[tasks]]                                   flags of a task, and what it is called
//   name = "SST-2"
//   data = "{data}/SST-2/16-{seed}"
//   [[methods]]                                 flags of a method; a list is a value each, every one with every other
//   method = "eflat-lora"
//   rho = [0.05, 0.5]
//
//   [[also]]                                    optional: other data, whose dev split a trained model is evaluated on
//   name = "wikitext"                           besides, and what it was trained from once, to see what is forgotten
//   dev = "{data}/wikitext.jsonl"
//
// A flag of a method counts before one of the task, that before the model's, and that before one of [all].
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace lowland::apps {

// Flags with their values as on a command line, names with dashes; of two names of one flag the later one counts.
using FlagValues = std::vector<std::pair<std::string, std::vector<std::string>>>;
const std::vector<std::string>* find_flag(const FlagValues& flags, const std::string& name);  // null: not there
void put_flag(FlagValues& flags, const std::string& name, std::vector<std::string> values);   // behind the others
using Variables = std::map<std::string, std::string>;

struct SweepRun {
  std::string model, task, method, setting;  // names; setting: what the method's lists gave, "beta 0.9, rho 0.05"
  int64_t seed = 0;
  FlagValues flags;  // as in the file, but {seed}

  std::string name() const;    // "SST-2/eflat-lora rho 0.05/13": no other run has it
  std::string folder() const;  // "SST-2_eflat-lora-rho-0.05_13": the same as the name of a folder
};

struct NamedFlags {
  std::string name;
  FlagValues flags;
};

struct Sweep {
  std::string title, baseline;
  // What is measured of each trained run, on its first training examples; 0 examples: nothing.
  std::vector<std::string> probes = {"sharpness"};  // of train/probes.h
  double probe_rho = 0.05;
  int64_t probe_examples = 256;
  bool score_test = true;             // besides the dev split, where the flags name one
  std::vector<std::string> quantise;  // names of train/roundings.h: what of the scores is left behind them
  bool keep_adapters = false;         // of every run, in the sweep's folder
  int64_t cache_mb = 512;             // of each worker, for what blocks give that nothing trains (nn/block_cache.h)
  // Models, in them tasks, in these seeds, in these methods: runs that read the same stand together.
  std::vector<SweepRun> runs;
  std::vector<NamedFlags> also;
};

// Error, naming the file, where it is no sweep: a key that is not known, a run that is listed twice.
Sweep read_sweep(const std::string& file);

// {NAME} filled in. Error where there is no such variable; {{ is a brace.
std::string fill_in(const std::string& text, const Variables& variables);

// The arguments of `finetune` that make the run; `instead`: flags that count before its own.
std::vector<std::string> arguments_of(const SweepRun& run, const Variables& variables, const FlagValues& instead = {});

}  // namespace lowland::apps
