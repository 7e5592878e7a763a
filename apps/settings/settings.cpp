#include "apps/settings/settings.h"

#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "kernels/common/accelerator.h"
#include "nn/model.h"
#include "optim/schedule.h"

namespace lowland::apps {
namespace {

void below_one(const char* flag, double value) {
  LL_CHECK(value >= 0 && value < 1, "--{} must be at least 0 and less than 1, got {}", flag, value);
}

// cpu, cuda or cuda:N.
Device named_device(const std::string& name) {
  if (name == "cpu") return {};
  const std::string number = name.size() > 5 ? name.substr(5) : "0";
  const bool good = name == "cuda" || (name.starts_with("cuda:") && number.size() <= 3 &&
                                       number.find_first_not_of("0123456789") == std::string::npos);
  LL_CHECK(good, "--device must be auto, cpu, cuda or cuda:N, got {}", name);
  return {DeviceType::cuda, std::stoi(number)};
}

// The threads of one of several processes on a host: its share of the cores, or those that its launcher has bound it
// to. 0: of one alone, whatever is free.
int own_threads(const dist::Rank& rank) {
  if (rank.local_world == 1) return 0;
  const int mine = omp_get_num_procs();
  const bool bound = mine * rank.local_world <= ::sysconf(_SC_NPROCESSORS_ONLN);
  return bound ? mine : std::max(1, mine / rank.local_world);
}

}  // namespace

void check_word(const char* flag, const std::string& value, const std::vector<std::string>& words) {
  if (std::find(words.begin(), words.end(), value) != words.end()) return;
  const std::vector<std::string> front(words.begin(), words.end() - 1);
  fail("--{} must be {} or {}, got {}", flag, fmt::join(front, ", "), words.back(), value);
}

void BaseSettings::add_flags(Flags& f) {
  f.group("What to work on");
  f.add("model", &model,
        "Base checkpoint: a Hugging Face folder, a GGUF file, or a name in the local cache of the Hub");
  f.add("adapter", &adapter, "PEFT adapter folder");
  f.add("random-init", &random_init, "Draw all weights anew instead of reading them, to see what pretraining gives");
  f.add("run", &run, "A finished run: fills in model, adapter, data and task from RUN/run.json");
}

void BaseSettings::add_tokenizer(Flags& f, const std::string& whose) {
  f.add("tokenizer", &tokenizer, "Tokenizer, where it is not in the " + whose + " folder");
}

void BaseSettings::add_new_tokens(Flags& f) {
  f.add("add-tokens", &add_tokens,
        "File of new tokens, one a line, which the model learns: their rows of the tables, or those whole "
        "(--modules-to-save)");
}

void BaseSettings::add_name_flag(Flags& f) {
  f.add("base-model-name", &base_model_name, "What the adapter names as its base model (base_model_name_or_path)");
}

void BaseSettings::check() const {
  LL_CHECK(!random_init || adapter.empty(), "--random-init and --adapter contradict each other");
}

void SplitSettings::add_limits(Flags& f, const std::string& none) {
  f.add("dev-fraction", &dev_fraction, "Share of the training examples held out where there is no dev file" + none);
  f.add("max-train-samples", &max_train_samples, "Use the first N training examples (0: all)");
  f.add("max-eval-samples", &max_eval_samples, "Use the first N evaluation examples (0: all)");
}

void SplitSettings::check() const {
  LL_CHECK(dev_fraction >= 0 && dev_fraction < 1, "--dev-fraction must be in [0, 1), got {}", dev_fraction);
}

void add_flags(AdapterSettings& s, Flags& f) {
  f.group("Adapter");
  f.add("rank,lora-r", &s.rank, "Rank of the adapters");
  f.add("alpha,lora-alpha", &s.alpha, "Adapters are scaled by alpha / rank");
  f.add("lora-dropout", &s.dropout, "Dropout on the adapters' input");
  f.add("targets,target-modules", &s.targets,
        "all-linear, a comma list of module names (lm_head and embeddings too), or a full-match regular expression");
  f.add("layers-to-transform", &s.layers, "Comma list of the layers whose targets get a pair, from 0; empty: all");
  f.add("rslora,use-rslora", &s.rslora, "Scale by alpha / sqrt(rank) instead");
  f.add("use-dora", &s.dora, "Train the lengths of the adapted weights' rows apart from their directions (DoRA)");
  f.add("rank-pattern", &s.rank_pattern, R"(Other ranks by module, as in peft: {"key": 4, "layer.0.*.query": 16})");
  f.add("alpha-pattern", &s.alpha_pattern, "Other alphas by module, in the same way");
  f.add("init-lora-weights", &s.init,
        "How adapters begin: true (A uniform, B 0), gaussian, pissa or olora (with a part of the weights)");
  f.add("lora-bias,bias", &s.bias, "Biases trained besides: none, lora_only (of adapted modules) or all");
  f.add("modules-to-save", &s.modules_to_save, "Comma list of modules trained in full besides the task head");
  f.add("ensure-weight-tying", &s.ensure_weight_tying, "A head that is the embedding stays so where either is trained");
}

void check(const AdapterSettings& s) {
  below_one("lora-dropout", s.dropout);
  check_word("lora-bias", s.bias, {"none", "lora_only", "all"});
  check_word("init-lora-weights", s.init, {"true", "gaussian", "pissa", "olora"});
  AdapterConfig().take_patterns(s.rank_pattern, s.alpha_pattern);
}

MethodSettings::MethodSettings() {
  for (const optim::MethodFlag& flag : optim::method_flags()) values[flag.name] = flag.initial;
}

MethodSettings default_settings(const std::string& method) {
  MethodSettings s;
  s.name = method;
  for (const optim::MethodOption& option : s.row().options) s.values[option.name] = option.initial;
  return s;
}

void MethodSettings::add_flags(Flags& f, const std::string& rho_help) {
  f.group("Method");
  f.add("method", &name, fmt::format("{}", fmt::join(optim::method_names(), ", ")));
  for (const optim::MethodFlag& flag : optim::method_flags()) {
    const std::string help = flag.name == "rho" && !rho_help.empty() ? rho_help : flag.help;
    optim::OptionValue& value = values.at(flag.name);
    if (auto* number = std::get_if<double>(&value)) {
      f.add(flag.name, number, help);
    } else {
      f.add(flag.name, &std::get<std::string>(value), help);
    }
  }
}

void MethodSettings::fill_in_defaults(const Flags& flags) {
  if (optim::find_method(name) == nullptr) return;  // check names it
  for (const optim::MethodOption& option : row().options)
    if (!flags.given(option.name)) values[option.name] = option.initial;
}

void MethodSettings::check() const {
  LL_CHECK(optim::find_method(name) != nullptr, "--method {} is none of {}", name,
           fmt::join(optim::method_names(), ", "));
  const auto check_option = [](const optim::MethodOption& option, const optim::OptionValue& value) {
    try {
      option.check(value);
    } catch (const Error& e) {
      fail("--{}", e.what());
    }
  };
  for (const optim::MethodRow& any : optim::methods())  // a number out of bounds is one with every method
    for (const optim::MethodOption& option : any.options)
      if (any.name == name || option.words.empty()) check_option(option, values.at(option.name));
}

std::string MethodSettings::card_json() const {
  nlohmann::ordered_json o{{"method", name}};
  for (const optim::MethodOption& option : row().options) {
    if (!option.on_card) continue;
    std::string key = option.name;
    std::replace(key.begin(), key.end(), '-', '_');
    std::visit([&](const auto& v) { o[key] = v; }, values.at(option.name));
  }
  return o.dump();
}

void RankSettings::add_flags(Flags& f) {
  f.add_manner("--nproc", &nproc,
               "Start so many processes on this machine, which share the work (0: as a launcher did)");
  f.add_manner("--dist-timeout", &timeout, "Seconds that a process waits for another before all end");
}

void RankSettings::check() const { LL_CHECK(timeout > 0, "--dist-timeout must be more than 0, got {}", timeout); }

void BatchSettings::add_flags(Flags& f) {
  f.add("batch-size,per-device-train-batch-size,batch", &batch_size, "Examples per micro-batch");
  f.add("grad-accum,gradient-accumulation-steps", &grad_accum, "Micro-batches per step");
  f.add("recompute", &recompute,
        "block: make each block again in the backward pass, for less memory; auto: if need be");
}

void BatchSettings::add_batch_tokens(Flags& f) {
  f.add("batch-tokens", &batch_tokens,
        "Cut a step into micro-batches of at most N tokens (0: of --batch-size examples)");
}

void BatchSettings::add_shard_base(Flags& f) {
  f.add_manner("--shard-base", &shard_base,
               "Each of several processes holds its part of the frozen matrices of blocks, gathered when they compute");
}

void BatchSettings::add_weights_dtype(Flags& f, const std::string& what) {
  f.add("weights-dtype,quantize", &weights_dtype,
        what + " in f32 or bf16; int8, nf4: matrices of linear layers quantised, all others in bf16; auto: as --dtype");
}

void BatchSettings::check() const {
  check_word("recompute", recompute, {"none", "block", "auto"});
  check_word("weights-dtype", weights_dtype, {"auto", "f32", "bf16", "int8", "nf4"});
}

void TrainingSettings::add_flags(Flags& f, BatchSettings& batch, double& label_smoothing) {
  f.group("Training");
  f.add("lr,learning-rate", &lr, "Peak learning rate (0: the method's own, 2e-4, for full 2e-5)");
  f.add("schedule,lr-scheduler-type", &schedule, fmt::format("{}", fmt::join(optim::lr_kind_names(), ", ")));
  f.add("warmup-ratio", &warmup_ratio, "Share of the steps over which the learning rate rises");
  f.add("warmup-steps", &warmup_steps, "Steps over which the learning rate rises (0: by --warmup-ratio)");
  f.add("epochs,num-train-epochs", &epochs, "Passes over the training examples");
  f.add("max-steps", &max_steps, "Stop after N steps (0: by epochs)");
  batch.add_flags(f);
  f.add("optimizer,optim", &optimizer, "adamw, sgd or ivon");
  f.add("weight-decay", &weight_decay, "Decoupled weight decay, never on biases and norms");
  f.add("adam-beta1", &adam_beta1, "AdamW's first moment decay");
  f.add("adam-beta2", &adam_beta2, "AdamW's second moment decay");
  f.add("adam-epsilon", &adam_epsilon, "AdamW's epsilon");
  f.add("momentum", &momentum, "SGD's momentum");
  f.add("ivon-ess", &ivon_ess, "IVON's effective sample size: the larger, the smaller are its samples");
  f.add("ivon-h0", &ivon_h0, "IVON's Hessian at the start");
  f.add("ivon-beta2", &ivon_beta2, "IVON's decay of the Hessian");
  f.add("ivon-clip", &ivon_clip, "IVON's largest step of a number, over the learning rate");
  f.add("lora-plus-ratio", &lora_plus_ratio, "LoRA+: the learning rate of B is so many times that of A");
  f.add("precondition", &precondition, "Multiply the gradient of A by (B^T B + d)^-1 and that of B by (A A^T + d)^-1");
  f.add("ascent", &ascent, "Of several processes: a second pass is at the gradient of all, or local: of each its own");
  f.add("max-grad-norm", &max_grad_norm, "Clip the gradient to this norm (0: never)");
  f.add("label-smoothing,label-smoothing-factor", &label_smoothing, "Label smoothing of the cross-entropy");
  f.add("eval-steps", &eval_steps, "Evaluate every N steps (0: every epoch)");
  f.add("save-steps", &save_steps, "Write a checkpoint every N steps (0: every epoch)");
  f.add("save-total-limit", &save_total_limit, "Keep the newest N checkpoints (0: all)");
  f.add("metric-for-best-model", &best_metric, "Metric that the best step is chosen by, or loss (empty: the task's)");
  f.add("early-stopping-patience", &patience, "Stop after N evaluations in a row without a better one (0: never)");
  f.add("logging-steps,log-every", &logging_steps, "Log every N steps");
  f.add("sharpness-steps", &sharpness_steps, "Measure and log sharpness every N steps (0: never)");
  f.add("probe-every", &probe_every, "Measure and log what --probe names every N steps (0: never)");
  f.add("probe", &probe, "A comma list of sharpness, estimate, average, ema-gap, balance, hessian, trace");
}

void TrainingSettings::check() const {
  optim::parse_lr_kind(schedule);
  check_word("optimizer", optimizer, optim::optimizer_names());
  check_word("ascent", ascent, {"all", "local"});
  for (const auto& [flag, value] :
       {std::pair{"lr", lr}, {"weight-decay", weight_decay}, {"max-grad-norm", max_grad_norm}})
    LL_CHECK(value >= 0, "--{} must be at least 0, got {}", flag, value);
  LL_CHECK(warmup_ratio >= 0 && warmup_ratio <= 1, "--warmup-ratio must be between 0 and 1, got {}", warmup_ratio);
  for (const auto& [flag, value] :
       {std::pair{"adam-beta1", adam_beta1}, {"adam-beta2", adam_beta2}, {"momentum", momentum}})
    below_one(flag, value);
  for (const auto& [flag, value] : {std::pair{"ivon-ess", ivon_ess}, {"ivon-h0", ivon_h0}, {"ivon-clip", ivon_clip}})
    LL_CHECK(value > 0, "--{} must be more than 0, got {}", flag, value);
  below_one("ivon-beta2", ivon_beta2);
  LL_CHECK(adam_epsilon > 0, "--adam-epsilon must be more than 0, got {}", adam_epsilon);
}

void TrainingSettings::fill_in_defaults(const MethodSettings& method) {
  if (lr == 0) lr = method.row().learning_rate;
}

optim::MethodOptions TrainingSettings::method_options(const MethodSettings& m, int64_t seed) const {
  optim::MethodOptions o;
  for (const optim::MethodOption& option : m.row().options) o.values[option.name] = m.values.at(option.name);
  o.optimizer = {.name = optimizer,
                 .beta1 = adam_beta1,
                 .beta2 = adam_beta2,
                 .eps = adam_epsilon,
                 .momentum = momentum,
                 .ess = ivon_ess,
                 .h0 = ivon_h0,
                 .ivon_beta2 = ivon_beta2,
                 .ivon_most = ivon_clip,
                 .seed = static_cast<uint64_t>(seed),
                 .weight_decay = weight_decay,
                 .precondition = precondition,
                 .lora_plus_ratio = lora_plus_ratio};
  o.max_grad_norm = max_grad_norm;
  o.seed = static_cast<uint64_t>(seed);
  return o;
}

void SystemSettings::add_flags(Flags& f) {
  f.group("Machine");
  f.add("seed", &seed, "Seed of initialisation, order and dropout");
  f.add("device", &device, "auto, cpu, cuda or cuda:N");
  f.add("dtype", &dtype, "auto, f32 or bf16");
  f.add("tf32", &tf32, "Allow TF32 in f32 matrix products on a GPU");
  f.add("no-graphs", &no_graphs, "On a GPU, launch every kernel by itself instead of replaying captured steps");
  f.add("threads", &threads, "CPU threads (0: all cores that other programs leave)");
}

void SystemSettings::check() const { check_word("dtype", dtype, {"auto", "f32", "bf16"}); }

std::unique_ptr<Context> SystemSettings::make_context() const {
  // A launcher shows a process its own GPU, which is number 0 then, or all of them.
  Device gpu{DeviceType::cuda, rank.local};
  if (rank.local > 0 && !why_unusable(gpu).empty()) gpu.index = 0;
  const Device chosen = device == "auto"   ? (why_unusable(gpu).empty() ? gpu : Device{})
                        : device == "cuda" ? gpu
                                           : named_device(device);
  const std::string why = why_unusable(chosen);
  LL_CHECK(why.empty(), "--device {}: {}", device, why);
  auto context = std::make_unique<Context>(chosen, threads > 0 ? static_cast<int>(threads) : own_threads(rank));
  if (context->accelerator() != nullptr) context->accelerator()->allow_tf32(tf32);
  compute_dtype(*context);
  return context;
}

DType SystemSettings::compute_dtype(const Context& context) const {
  const Accelerator* gpu = context.accelerator();
  if (gpu == nullptr) return dtype_on_cpu(detect_cpu_bf16());
  const bool bf16 = gpu->info().has_bf16;
  LL_CHECK(dtype != "bf16" || bf16, "--dtype bf16: {} has no bf16 arithmetic, use f32", gpu->info().name);
  return bf16 && dtype != "f32" ? DType::bf16 : DType::f32;
}

DType SystemSettings::dtype_on_cpu(CpuBf16 cpu) const {
  if (dtype != "bf16") return DType::f32;
  LL_CHECK(cpu != CpuBf16::none,
           "--dtype bf16: this processor has no instructions for bf16 (avx512_bf16 or AMX); --weights-dtype bf16 keeps "
           "frozen weights in half the memory and computes in f32");
  return DType::bf16;
}

std::string SystemSettings::faster_dtype(CpuBf16 cpu) const {
  if (dtype != "auto" || cpu != CpuBf16::native) return "";
  return "computing in f32; this processor multiplies bf16 faster: --dtype bf16";
}

DType SystemSettings::weights_dtype(const BatchSettings& batch, const Context& context) const {
  const bool as_computed = batch.weights_dtype == "auto" || batch.weights_dtype == "f32";
  return as_computed ? compute_dtype(context) : DType::bf16;
}

void SystemSettings::keep_frozen(nn::Model& model, const BatchSettings& batch, const Context& context) const {
  model.set_frozen_dtype(weights_dtype(batch, context));
  if (batch.weights_dtype == "int8") model.set_quantised(DType::int8);
  if (batch.weights_dtype == "nf4") model.set_quantised(DType::nf4);
}

void OutputSettings::add_flags(Flags& f) {
  f.group("Output");
  f.add("out,output-dir", &out, "Folder to write, refused if it is not empty");
  f.add("resume", &resume, "Go on from the newest checkpoint in --out, with the settings of its run.json");
  f.add("overwrite", &overwrite, "Delete what is in --out first");
  f.add("tensorboard", &tensorboard, "Write what is logged for TensorBoard besides, into the folder's tensorboard");
  f.add_manner("-v,--verbose", &verbose, "Say more: the memory of a step by part, the inputs");
}

}  // namespace lowland::apps
