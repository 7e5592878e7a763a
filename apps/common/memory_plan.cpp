#include "apps/common/memory_plan.h"

#include <algorithm>
#include <set>

#include "apps/common/progress.h"
#include "apps/common/session_parts.h"
#include "apps/common/training_run.h"
#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/launch.h"
#include "engine/paper_device.h"
#include "kernels/attention.h"
#include "models/hub/adapter.h"

namespace lowland::apps {
namespace {

// The largest of what CPU kernels take at once: a workspace keeps its largest block (kernels/cpu).
size_t scratch_bytes(const PlanInput& input, const Settings& s, Context& context, const nn::Model& model,
                     const MemoryPlan& plan) {
  if (!context.on_cpu()) return 0;
  const int64_t tiles = LL_CPU_KERNEL(context.kernels(), attention_scratch<float>)(input.head_dim);
  int64_t per_thread = tiles;
  if (s.lora_dropout > 0 && s.method != "full") per_thread = std::max<int64_t>(per_thread, 2 * 256 * 128);
  std::set<std::string> in_blocks;  // matrices that all rows meet; the head's meets those that have a target
  for (const LinearModule& m : linear_modules(model)) in_blocks.insert(m.name + ".weight");
  int64_t sums = 0, widened = 0;  // of the gradient of a norm or a bias; tiles of bf16 matrices
  for (const auto& p : model.parameters().all()) {
    if (p->trainable && p->shape.size() == 1) sums = std::max(sums, (plan.rows + 31) / 32 * 2 * p->shape[0]);
    if (p->value.dtype() != DType::bf16 || p->shape.size() != 2) continue;
    const int64_t strips = (std::max(p->shape[0], p->shape[1]) + 255) / 256;
    const int64_t rows = in_blocks.count(p->name) != 0 ? plan.rows : plan.selected;
    const int64_t slots = rows * p->value.numel() < (1 << 20) ? 1 : std::min<int64_t>(context.threads(), strips);
    widened = std::max(widened, slots * 256 * 1024);
  }
  return sizeof(float) * static_cast<size_t>(std::max({context.threads() * per_thread, sums, widened}));
}

void make_step(const PlannedModel& m, optim::Method& method, const std::vector<PackedBatch>& batches, MemoryPlan& plan,
               size_t before) {
  Tape& tape = m.model->context().tape();
  Allocator& memory = m.model->context().memory();
  const nn::Mode mode{true, 1, 0};
  const auto pass = [&] {
    m.model->arena().zero_grads();
    const nn::PerturbedView view = method.training_view();
    m.model->arena().refresh();
    for (const PackedBatch& b : batches) {
      const Tensor loss = m.loss(b, mode, 1.0);  // (1)
      plan.activations = std::max(plan.activations, memory.live_bytes() - before);
      method.add_loss(loss);
      tape.backward(loss);
    }
  };
  method.set_step(0, 1e-3, 1e-3, true);
  pass();
  if (method.wants_second_pass()) {
    method.ascend();
    pass();
    method.restore();
  }
  method.step();
}

MemoryPlan plan_of(const PlanInput& input, const Settings& settings, Context& context) {
  Context paper(context.threads(), make_paper_device(context));
  Allocator& memory = paper.memory();
  const PlannedModel m = input.make(settings);
  MemoryPlan plan;
  m.model->materialise(paper, compute_dtype(settings, context));
  for (const auto& p : m.model->parameters().all())
    if (!p->trainable) plan.weights += p->value.nbytes();
  plan.gradients = m.model->arena().grads().nbytes();
  plan.trained = memory.live_bytes() - plan.weights - plan.gradients;
  size_t before = memory.live_bytes();
  const auto method = optim::make_method(settings.method, m.model->arena(), method_options(settings));
  plan.optimizer = memory.live_bytes() - before;
  before = memory.live_bytes();
  const std::vector<PackedBatch> batches = m.largest_step();
  for (const PackedBatch& b : batches) {
    if (b.rows.N > plan.rows) plan.longest = b.rows.longest;
    plan.rows = std::max(plan.rows, b.rows.N);
    plan.selected = std::max(plan.selected, b.rows.K);
  }
  make_step(m, *method, batches, plan, before);
  plan.passing = memory.peak_bytes() - before - plan.activations;
  plan.waiting = input.waiting;
  plan.scratch = scratch_bytes(input, settings, context, *m.model, plan);
  return plan;
}

// The flags in which two settings differ, as they are typed.
std::string changed_flags(const Settings& from, const Settings& to) {
  std::string text;
  const auto add = [&](const char* flag, const auto& value) {
    text += fmt::format("{}--{} {}", text.empty() ? "" : " ", flag, value);
  };
  if (from.recompute != to.recompute) add("recompute", to.recompute);
  if (from.weights_dtype != to.weights_dtype) add("weights-dtype", to.weights_dtype);
  if (from.batch_tokens != to.batch_tokens) add("batch-tokens", to.batch_tokens);
  if (from.batch_size != to.batch_size) add("batch-size", to.batch_size);
  if (from.grad_accum != to.grad_accum) add("grad-accum", to.grad_accum);
  return text;
}

// Smaller micro-batches that learn the same. False: they hold one example already.
bool halve_batch(const PlanInput& input, const MemoryPlan& plan, Settings& s) {
  if (input.token_budget) {
    if (plan.rows <= plan.longest) return false;
    s.batch_tokens = std::max(plan.longest + 1, plan.rows / 2);  // an example has a token more than it has rows
    return true;
  }
  if (s.batch_size % 2 != 0) return false;
  s.batch_size /= 2;
  s.grad_accum *= 2;
  return true;
}

[[noreturn]] void refuse(const PlanInput& input, const Settings& given, Context& context, const MemoryPlan& plan,
                         size_t free_bytes) {
  Settings best = given;
  MemoryPlan least = plan;
  const auto try_it = [&](const Settings& s) {  // false: no gain
    const MemoryPlan tried = plan_of(input, s, context);
    if (tried.peak() >= least.peak()) return false;
    best = s;
    least = tried;
    LL_CHECK(least.peak() > free_bytes, "a step needs {} at its peak, and {} are free: with {} it needs {}",
             bytes_text(plan.peak()), bytes_text(free_bytes), changed_flags(given, best), bytes_text(least.peak()));
    return true;
  };
  Settings s = best;
  s.recompute = "block";
  try_it(s);
  s = best;
  s.weights_dtype = "bf16";
  if (input.narrow_weights) try_it(s);
  for (s = best; halve_batch(input, least, s) && try_it(s); s = best) {}
  const std::string flags = changed_flags(given, best);
  fail("a step needs {} at its peak, and {} are free{}: take a smaller model, or a machine with more memory",
       bytes_text(plan.peak()), bytes_text(free_bytes),
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

MemoryPlan plan_memory(const PlanInput& input, Settings& settings, Context& context, size_t free_bytes) {
  if (settings.recompute != "auto") return plan_of(input, settings, context);
  settings.recompute = "none";
  const MemoryPlan plan = plan_of(input, settings, context);
  if (plan.peak() <= free_bytes / 10 * 9) return plan;
  settings.recompute = "block";
  return plan_of(input, settings, context);
}

MemoryPlan fit_memory(const PlanInput& input, Settings& settings, Context& context, size_t free_bytes) {
  const MemoryPlan plan = plan_memory(input, settings, context, free_bytes);
  if (plan.peak() > free_bytes) refuse(input, settings, context, plan, free_bytes);
  return plan;
}

MemoryPlan say_memory_plan(const PlanInput& input, Settings& settings, Context& context) {
  const size_t free_bytes = context.memory().free_bytes();
  const bool open = settings.recompute == "auto";
  const MemoryPlan plan = fit_memory(input, settings, context, free_bytes);
  say(memory_table(plan, free_bytes));
  if (open) say(fmt::format("--recompute auto: {}", settings.recompute));
  return plan;
}

}  // namespace lowland::apps
