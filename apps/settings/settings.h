// What the flags say, one small struct a concern. Each is made once, at the door (flags.h), checked there, and handed
// only to who needs it. What a family adds is in apps/families.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apps/settings/flags.h"
#include "engine/context.h"
#include "engine/dist/launch.h"
#include "kernels/common/dtype.h"
#include "models/hub/adapter.h"
#include "optim/methods.h"

namespace lowland::apps {

// Where the model comes from.
struct BaseSettings {
  std::string model, adapter, run, tokenizer, base_model_name, add_tokens;
  bool random_init = false;
  void add_flags(Flags& flags);  // without the tokenizer and the name, which not every verb has
  void add_tokenizer(Flags& flags, const std::string& whose = "model's");
  void add_new_tokens(Flags& flags);
  void add_name_flag(Flags& flags);
  void check() const;
};

// The files of a run's splits, and how much of them is used.
struct SplitSettings {
  std::vector<std::string> train;
  std::string dev, test;
  double dev_fraction = 0.1;
  int64_t max_train_samples = 0, max_eval_samples = 0, max_length = 512;
  // All but the files and the length, whose help is the family's.
  void add_limits(Flags& flags, const std::string& none = " (0: none)");
  void check() const;
};

// The pairs of low rank that are trained beside a frozen base: models/hub/adapter.h.
void add_flags(AdapterSettings& settings, Flags& flags);
void check(const AdapterSettings& settings);

// How a step is taken: a row of optim/methods.h, whose options are flags.
struct MethodSettings {
  std::string name = optim::methods().front().name;
  optim::OptionValues values;  // of every method's options: run.json has them all
  MethodSettings();
  void add_flags(Flags& flags, const std::string& rho_help = "");  // rho_help: instead of the table's
  void check() const;
  // What was not given is the method's own default: run.json shall hold what was used.
  void fill_in_defaults(const Flags& flags);
  const optim::MethodRow& row() const { return optim::method_row(name); }
  bool full() const { return row().trains == optim::Trains::all_weights; }
  std::string card_json() const;  // the method and its options, as lowland.json holds them
};
MethodSettings default_settings(const std::string& method);

// The processes that share the work.
struct RankSettings {
  int64_t nproc = 0;     // 0: those that a launcher has started, or this one
  double timeout = 600;  // seconds
  void add_flags(Flags& flags);
  void check() const;
};

// What the memory of a step depends on.
struct BatchSettings {
  dist::Rank rank = {};  // whose part of a step's examples is this process's
  int64_t batch_size = 32, grad_accum = 1;
  int64_t batch_tokens = 0;                                // 0: micro-batches of batch_size examples
  std::string recompute = "none", weights_dtype = "auto";  // none, block, auto; auto, f32, bf16, int8, nf4
  void add_flags(Flags& flags);                            // without the two that not every family has
  bool shard_base = false;                                 // each process holds a part of the base's blocks
  void add_batch_tokens(Flags& flags);
  void add_shard_base(Flags& flags);
  void add_weights_dtype(Flags& flags, const std::string& what = "Frozen weights");
  void check() const;
};

struct TrainingSettings {
  std::string optimizer = "adamw", schedule = "linear", best_metric;  // best_metric: empty is the task's own
  std::string ascent = "all";  // whose gradient a perturbation is made from: of all processes, or local
  double lr = 0, weight_decay = 0, adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8, warmup_ratio = 0.06;
  double max_grad_norm = 1, momentum = 0, lora_plus_ratio = 1;
  double ivon_ess = 1e7, ivon_h0 = 1e-3, ivon_beta2 = 0.99999, ivon_clip = 1e-3;
  bool precondition = false;
  int64_t epochs = 3, max_steps = 0, eval_steps = 0, save_steps = 0, logging_steps = 10, sharpness_steps = 0;
  int64_t warmup_steps = 0, save_total_limit = 2, patience = 0;  // 0: by ratio; all; never stop early
  int64_t probe_every = 0;                                       // steps; 0: never
  std::string probe = "sharpness,ema-gap";                       // names of train/probes.h
  // The batch's stand in the middle of them. label_smoothing: the loss's.
  void add_flags(Flags& flags, BatchSettings& batch, double& label_smoothing);
  void check() const;
  void fill_in_defaults(const MethodSettings& method);  // the learning rate by method
  optim::MethodOptions method_options(const MethodSettings& method, int64_t seed = 0) const;
  int64_t total_steps(int64_t steps_per_epoch) const { return max_steps > 0 ? max_steps : epochs * steps_per_epoch; }
};

struct SystemSettings {
  int64_t seed = 42, threads = 0;
  std::string device = "auto", dtype = "auto";
  dist::Rank rank = {};  // of the processes on this host each has its GPU, or its share of the cores
  bool tf32 = false, no_graphs = false;
  void add_flags(Flags& flags);
  void check() const;

  // `auto` is a GPU if one can be used, else the CPU; of several processes on a host each takes its own. Error for what
  // this build or machine cannot do.
  std::unique_ptr<Context> make_context() const;
  // What a model computes in there: `auto` is bf16 on GPUs that multiply it (sm_80 and later), else f32.
  DType compute_dtype(const Context& context) const;
  // On a CPU that multiplies bf16 so: f32 but where bf16 is asked for, and Error where nobody multiplies it. And what
  // to say of `auto` where bf16 would be faster, else nothing.
  DType dtype_on_cpu(CpuBf16 cpu) const;
  std::string faster_dtype(CpuBf16 cpu) const;
  // What frozen matrices are kept in that are not quantised.
  DType weights_dtype(const BatchSettings& batch, const Context& context) const;
  // Says to a model without memory what its frozen matrices are kept in.
  void keep_frozen(nn::Model& model, const BatchSettings& batch, const Context& context) const;
};

struct OutputSettings {
  std::string out;
  bool resume = false, overwrite = false, verbose = false, tensorboard = false;
  void add_flags(Flags& flags);
};

// Throws Error unless the value is one of the words: "--schedule must be linear, cosine or constant, got x".
void check_word(const char* flag, const std::string& value, const std::vector<std::string>& words);

}  // namespace lowland::apps
