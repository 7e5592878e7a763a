#include "apps/train/memory_plan.h"

#include <algorithm>
#include <set>
#include <utility>

#include "apps/common/progress.h"
#include "apps/train/loader.h"
#include "apps/train/step.h"
#include "engine/device/meta_device.h"
#include "engine/error.h"
#include "engine/launch.h"
#include "kernels/attention.h"
#include "kernels/frozen_matmul.h"
#include "kernels/layer_norm.h"
#include "kernels/lora_linear.h"
#include "models/hub/adapter.h"

namespace lowland::apps {
namespace {

// The largest of what CPU kernels take at once, computing in T: a workspace keeps its largest block.
template <class T>
size_t scratch_bytes(const PlannedRun& run, Context& context, const nn::Model& model, const MemoryPlan& plan) {
  const Ctx& kernels = context.kernels();
  const int threads = context.threads();
  int64_t most = LL_CPU_KERNEL(kernels, attention_backward_scratch<T>)(threads, run.objective.head_dim(model),
                                                                       plan.longest_segment);
  int64_t stacked = 0;  // ranks that read one input: of query, key and value at most
  for (const nn::Adapter& a : model.arena().adapters()) stacked = std::max(stacked, 3 * a.r);
  std::set<std::string> in_blocks;  // matrices that all rows meet; the head's meets those that have a target
  for (const LinearModule& m : linear_modules(model)) {
    in_blocks.insert(m.name + ".weight");
    if (run.how.full()) continue;
    in_blocks.insert(m.name + ".lora_A.weight");
    in_blocks.insert(m.name + ".lora_B.weight");
    const LoraInput dropped{.N = plan.rows, .M = m.in, .KR = stacked, .dropout = {.p = run.lora_dropout}};
    most = std::max(most, LL_CPU_KERNEL(kernels, lora_linear_down_forward_scratch<T>)(threads, dropped));
    most = std::max(most, LL_CPU_KERNEL(kernels, lora_linear_down_backward_scratch<T>)(threads, dropped));
  }
  for (const auto& p : model.parameters().all()) {
    if (p->trainable && p->shape.size() == 1)  // of a norm; a bias takes less
      most = std::max(most, LL_CPU_KERNEL(kernels, layer_norm_backward_scratch)(plan.rows, p->shape[0]));
    if (p->shape.size() != 2) continue;
    const int64_t rows = in_blocks.count(p->name) != 0 ? plan.rows : plan.selected;
    if (std::is_same_v<T, bf16> && p->trainable && !kernels.bf16_products) {
      const int64_t O = p->shape[0], M = p->shape[1];  // its value, dx and its gradient
      for (const MatmulShape& product :
           {MatmulShape{.trans_b = Trans::yes, .M = rows, .N = O, .K = M}, MatmulShape{.M = rows, .N = M, .K = O},
            MatmulShape{.trans_a = Trans::yes, .M = O, .N = M, .K = rows}})
        most = std::max(most, LL_CPU_KERNEL(kernels, bf16_matmul_scratch)(threads, product));
    }
    for (const nn::Piece& piece : p->pieces) {
      const DType type = piece.value.dtype();
      const bool converts = std::is_same_v<T, bf16> && type == DType::bf16 && !kernels.bf16_products;
      const bool widens = type != DType::f32 && type != dtype_of<T>;
      if (!converts && !widens) continue;
      for (const bool back : {false, true}) {
        const MatmulShape product{.trans_b = back ? Trans::no : Trans::yes,
                                  .M = rows,
                                  .N = piece.value.dim(back ? 1 : 0),
                                  .K = piece.value.dim(back ? 0 : 1)};
        most = std::max(most, widens ? LL_CPU_KERNEL(kernels, frozen_matmul_scratch<T>)(threads, product)
                                     : LL_CPU_KERNEL(kernels, bf16_matmul_scratch)(threads, product));
      }
    }
  }
  return sizeof(float) * most;
}

MemoryPlan plan_of(const PlannedRun& run, const BatchSettings& batch, Context& context) {
  Context meta(context.threads(), make_meta_device(context.accelerator()));
  Allocator& memory = meta.memory();
  const std::unique_ptr<nn::Model> model = run.new_model();
  MemoryPlan plan;
  prepare(*model, run, batch, context);
  model->materialise(meta, run.system.compute_dtype(context));
  for (const auto& p : model->parameters().all()) plan.weights += p->frozen_bytes();
  if (const nn::Shards* shards = model->parameters().shards()) {
    plan.weights += shards->held_bytes();
    plan.gathered = shards->bytes();
  }
  plan.gradients = model->arena().grads().nbytes();
  plan.trained = memory.live_bytes() - plan.weights - plan.gradients;
  size_t before = memory.live_bytes();
  const auto method = optim::make_method(run.how.name, model->arena(), run.training.method_options(run.how));
  plan.optimizer = memory.live_bytes() - before;
  before = memory.live_bytes();
  const Loader loader(run.objective, *model, batch, static_cast<uint64_t>(run.system.seed));
  const std::vector<PackedBatch> batches = loader.largest_step(run.training.total_steps(loader.steps_per_epoch()));
  for (const PackedBatch& b : batches) {
    if (b.rows.N > plan.rows) plan.longest = b.rows.longest;
    plan.longest_segment = std::max<int64_t>(plan.longest_segment, b.rows.longest);
    plan.rows = std::max(plan.rows, b.rows.N);
    plan.selected = std::max(plan.selected, b.rows.K);
    plan.step_rows += b.rows.N;
    plan.step_selected += b.rows.K;
  }
  const auto loss = [&](const PackedBatch& b, const nn::Mode& mode, double scale) {
    const Tensor l = run.objective.loss(*model, b, mode, scale);  // (1)
    plan.activations = std::max(plan.activations, memory.live_bytes() - before);
    return l;
  };
  TrainingStep(*model, *method, loss, false).run(batches, {.lr = 1e-3, .rho = 1e-3, .seed = 1, .new_window = true});
  // The step that was packed is all processes'.
  const int64_t world = batch.rank.world;
  plan.step_batches = (std::ssize(batches) + world - 1) / world;
  plan.step_rows = (plan.step_rows + world - 1) / world;
  plan.step_selected = (plan.step_selected + world - 1) / world;
  plan.passing = memory.peak_bytes() - before - plan.activations;
  plan.waiting = run.objective.waiting_bytes(*model);
  if (context.on_cpu())
    plan.scratch = model->dtype() == DType::bf16 ? scratch_bytes<bf16>(run, context, *model, plan)
                                                 : scratch_bytes<float>(run, context, *model, plan);
  return plan;
}

// The flags in which two settings differ, as they are typed.
std::string changed_flags(const BatchSettings& from, const BatchSettings& to) {
  std::string text;
  const auto add = [&](const char* flag, const auto& old, const auto& value) {
    if (old != value) text += fmt::format("{}--{} {}", text.empty() ? "" : " ", flag, value);
  };
  add("recompute", from.recompute, to.recompute);
  add("weights-dtype", from.weights_dtype, to.weights_dtype);
  add("batch-tokens", from.batch_tokens, to.batch_tokens);
  add("batch-size", from.batch_size, to.batch_size);
  add("grad-accum", from.grad_accum, to.grad_accum);
  return text;
}

// Ways to need less, which learn the same, from the cheapest on. Each changes the settings, or says that it cannot.
using Saving = bool (*)(const PlannedRun& run, const MemoryPlan& plan, BatchSettings& batch);
constexpr Saving kSavings[] = {[](const PlannedRun&, const MemoryPlan&, BatchSettings& b) {
                                 return std::exchange(b.recompute, std::string("block")) != "block";
                               },
                               [](const PlannedRun& run, const MemoryPlan&, BatchSettings& b) {
                                 const bool wide = b.weights_dtype == "auto" || b.weights_dtype == "f32";
                                 if (wide) b.weights_dtype = "bf16";
                                 return run.narrow_weights && wide;
                               },
                               [](const PlannedRun& run, const MemoryPlan& plan, BatchSettings& b) {
                                 if (!run.token_budget || plan.rows <= plan.longest) return false;
                                 b.batch_tokens = std::max(
                                     plan.longest + 1, plan.rows / 2);  // an example has a token more than it has rows
                                 return true;
                               },
                               [](const PlannedRun& run, const MemoryPlan&, BatchSettings& b) {
                                 if (run.token_budget || b.batch_size % 2 != 0) return false;
                                 b.batch_size /= 2;
                                 b.grad_accum *= 2;
                                 return true;
                               }};

// The first settings that fit are named; a saving that saves nothing is not.
[[noreturn]] void refuse(const PlannedRun& run, const BatchSettings& given, Context& context, const MemoryPlan& plan,
                         size_t free_bytes) {
  const std::string needs =
      fmt::format("a step needs {} at its peak, and {} are free", bytes_text(plan.peak()), bytes_text(free_bytes));
  BatchSettings best = given;
  MemoryPlan least = plan;
  for (const Saving save : kSavings) {
    for (BatchSettings tried = best; save(run, least, tried); tried = best) {
      const MemoryPlan p = plan_of(run, tried, context);
      if (p.peak() >= least.peak()) break;
      best = tried;
      least = p;
      LL_CHECK(least.peak() > free_bytes, "{}: with {} it needs {}", needs, changed_flags(given, best),
               bytes_text(least.peak()));
    }
  }
  const std::string flags = changed_flags(given, best);
  fail("{}{}: take a smaller model, or a machine with more memory", needs,
       flags.empty() ? "" : fmt::format("; even with {} it needs {}", flags, bytes_text(least.peak())));
}

}  // namespace

std::string memory_table(const MemoryPlan& plan, size_t free_bytes) {
  std::string text = fmt::format("memory at the peak of a step, {} rows:\n", thousands(plan.rows));
  const auto line = [&](const char* part, size_t bytes) {
    if (bytes > 0) text += fmt::format("  {:<40} {:>10}\n", part, bytes_text(bytes));
  };
  line("frozen weights", plan.weights);
  line("trained numbers", plan.trained);
  line("gradients", plan.gradients);
  line("optimizer and perturbation", plan.optimizer);
  line("activations kept for the backward pass", plan.activations);
  line("head, loss and the backward pass itself", plan.passing);
  line("scratch memory of kernels", plan.scratch);
  line("features that wait to be written", plan.waiting);
  line("all", plan.peak());
  text += fmt::format("  {:<40} {:>10}", "free", bytes_text(free_bytes));
  return text;
}

std::string memory_line(const MemoryPlan& plan, size_t free_bytes) {
  return fmt::format("memory at the peak of a step, {} rows: {} of {} that are free", thousands(plan.rows),
                     bytes_text(plan.peak()), bytes_text(free_bytes));
}

void prepare(nn::Model& model, const PlannedRun& run, const BatchSettings& batch, const Context& context) {
  model.set_recompute(batch.recompute == "block");
  if (batch.shard_base) model.shard(batch.rank.world, batch.rank.index);
  if (run.narrow_weights) run.system.keep_frozen(model, batch, context);
}

MemoryPlan plan_memory(const PlannedRun& run, BatchSettings& batch, Context& context, size_t free_bytes) {
  if (batch.recompute != "auto") return plan_of(run, batch, context);
  batch.recompute = "none";
  const MemoryPlan plan = plan_of(run, batch, context);
  if (plan.peak() <= free_bytes / 10 * 9) return plan;
  batch.recompute = "block";
  return plan_of(run, batch, context);
}

MemoryPlan fit_memory(const PlannedRun& run, BatchSettings& batch, Context& context, size_t free_bytes) {
  const MemoryPlan plan = plan_memory(run, batch, context, free_bytes);
  if (plan.peak() > free_bytes) refuse(run, batch, context, plan, free_bytes);
  return plan;
}

MemoryPlan log_memory_plan(const PlannedRun& run, BatchSettings& batch, Context& context, bool verbose) {
  const size_t free_bytes = context.memory().free_bytes();
  const bool open = batch.recompute == "auto";
  const MemoryPlan plan = plan_memory(run, batch, context, free_bytes);
  const bool large = plan.peak() > free_bytes / 2;
  say(verbose || large ? memory_table(plan, free_bytes) : memory_line(plan, free_bytes));
  if (plan.peak() > free_bytes) refuse(run, batch, context, plan, free_bytes);
  if (open) say(fmt::format("--recompute auto: {}", batch.recompute));
  return plan;
}

}  // namespace lowland::apps
