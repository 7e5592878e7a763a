#include "apps/train/cost.h"

#include <algorithm>

#include "apps/common/progress.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

std::string seconds_text(double s) { return s < 1 ? fmt::format("{:.2f} ms", 1e3 * s) : fmt::format("{:.2f} s", s); }

// Products with the weights of a pass over these rows, forward and backward.
double product_flops(const nn::Model& model, const MemoryPlan& plan, bool recompute) {
  double flops = 0;
  const auto add = [&](const nn::Linear& linear, int64_t rows, bool again) {
    const nn::Parameter& w = linear.weight();
    const double one = 2.0 * static_cast<double>(rows) * static_cast<double>(w.shape[0] * w.shape[1]);
    flops += one * (2 + (again ? 1 : 0) + (w.trainable ? 1 : 0));  // y, dx; y again; dW
  };
  for (const nn::Linear* linear : model.linears()) {
    const auto& outputs = model.outputs();
    if (std::find(outputs.begin(), outputs.end(), linear) == outputs.end()) add(*linear, plan.step_rows, recompute);
  }
  for (const nn::Linear* output : model.outputs()) add(*output, plan.step_selected, false);
  for (const nn::AdapterSpec& a : model.adapters())  // x A^T and (x A^T) B^T; the gradients of both and of their inputs
    flops += 6.0 * static_cast<double>(plan.step_rows) * static_cast<double>(a.r * (a.m + a.n));
  return flops;
}

}  // namespace

void Cluster::check() const {
  check_word("interconnect", interconnect, {"nvlink", "pcie", "100g"});
  LL_CHECK(world >= 1, "--world-size must be at least 1, got {}", world);
  LL_CHECK(tflops > 0, "--tflops must be more than 0, got {}", tflops);
}

double Cluster::rate() const { return interconnect == "nvlink" ? 350e9 : interconnect == "pcie" ? 25e9 : 12.5e9; }

StepCost step_cost(const PlannedRun& run, const BatchSettings& batch, const MemoryPlan& plan, const Cluster& cluster) {
  const std::unique_ptr<nn::Model> model = run.new_model();
  const auto n = static_cast<double>(cluster.world);
  const int passes = run.how.row().passes, sums = run.training.ascent == "local" ? 1 : passes;
  StepCost cost;
  cost.rows = plan.step_rows;
  cost.flops = passes * product_flops(*model, plan, batch.recompute == "block");
  cost.summed = sums * 2 * (n - 1) / n * static_cast<double>(plan.gradients);
  // Forward and backward of each micro-batch; the last two blocks of one way are the first of the other.
  const double share = (n - 1) / n * static_cast<double>(plan.gathered);
  cost.gathered = passes * 2 * static_cast<double>(plan.step_batches) * share;
  cost.compute_s = cost.flops / (1e12 * cluster.tflops);
  cost.sum_s = cost.summed / cluster.rate();
  cost.gather_s = cost.gathered / cluster.rate();
  return cost;
}

std::string cost_table(const StepCost& c, const Cluster& cluster) {
  std::string text = fmt::format("a step of {} processes over {}, {} rows each, at {:g} TFLOP/s, takes at the least:\n",
                                 cluster.world, cluster.interconnect, thousands(c.rows), cluster.tflops);
  const auto line = [&](const std::string& part, const std::string& value, const std::string& note) {
    text += fmt::format("  {:<40} {:>10}  {}\n", part, value, note);
  };
  line(fmt::format("products with the weights, {:.3g} TFLOP", c.flops / 1e12), seconds_text(c.compute_s), "");
  line(fmt::format("sum of gradients, {} sent by each", bytes_text(static_cast<size_t>(c.summed))),
       seconds_text(c.sum_s), fmt::format("{:.1f}% of the step", 100 * c.sum_share()));
  if (c.gathered > 0)
    line(fmt::format("gathered blocks, {}", bytes_text(static_cast<size_t>(c.gathered))), seconds_text(c.gather_s),
         fmt::format("{:.0f}% behind the products", 100 * c.overlap()));
  line("all", seconds_text(c.step_s()),
       fmt::format("{:.1f}% of the speed of {} alone", 100 * c.scaling(), cluster.world));
  return text;
}

}  // namespace lowland::apps
