#include "apps/train/log_lines.h"

#include <fmt/format.h>

#include <cmath>

#include "apps/common/progress.h"

namespace lowland::apps {
namespace {

double share(int64_t step, int64_t epoch) { return static_cast<double>(step) / static_cast<double>(epoch); }

std::string speed(const TrainingState& s) { return thousands(static_cast<int64_t>(s.tokens_per_s)) + " tokens/s"; }

bool is_finite(const nlohmann::ordered_json& value) { return value.is_number() && std::isfinite(value.get<double>()); }

}  // namespace

nlohmann::ordered_json log_line(const TrainingState& s, int64_t epoch, const std::string& loss_name, double lr,
                                const optim::StepStats& stats) {
  nlohmann::ordered_json line;
  line["step"] = s.step;
  line["epoch"] = share(s.step, epoch);
  line[loss_name] = s.train_loss;
  line["learning_rate"] = lr;
  line["grad_norm"] = stats.grad_norm;
  if (stats.perturbation_norm > 0) line["perturbation_norm"] = stats.perturbation_norm;
  line["tokens_per_s"] = s.tokens_per_s;
  line["step_ms"] = s.window.seconds * 1e3 / static_cast<double>(s.window.steps);
  return line;
}

nlohmann::ordered_json evaluation_line(int64_t step, int64_t epoch, const Evaluation& e) {
  nlohmann::ordered_json line;
  line["step"] = step;
  line["epoch"] = share(step, epoch);
  line.update(e.metrics);
  return line;
}

nlohmann::json probe_line(int64_t step, const Probed& probed) {
  nlohmann::json line{{"step", step}, {"sharpness", probed.sharpness}, {"probe_loss", probed.loss}};
  if (probed.ema_gap) line["ema_gap"] = *probed.ema_gap;
  return line;
}

std::string log_text(const TrainingState& s, int64_t total, const std::string& loss_name, double lr,
                     size_t peak_bytes) {
  return fmt::format("step {}/{}  {} {:.4f}  lr {:.2e}  {}  {}", s.step, total, loss_name, s.train_loss, lr, speed(s),
                     bytes_text(peak_bytes));
}

std::string progress_text(const TrainingState& s, const std::string& loss_name, size_t peak_bytes) {
  const double loss = s.window.steps > 0 ? s.window.mean_loss() : s.train_loss;
  return fmt::format("{} {:.4f}  {}{}", loss_name, loss, s.tokens_per_s > 0 ? speed(s) + "  " : "",
                     bytes_text(peak_bytes));
}

std::string evaluation_text(int64_t step, const Evaluation& e) {
  std::string text = fmt::format("step {}", step);
  for (const auto& [name, value] : e.metrics.items())
    text += fmt::format("  {} {}", name, is_finite(value) ? fmt::format("{:.4f}", value.get<double>()) : "undefined");
  return text;
}

std::string example_list(const std::vector<int64_t>& examples) {
  std::string text = fmt::format("{}", fmt::join(examples, ","));
  return text.size() > 200 ? text.substr(0, 200) + "..." : text;
}

}  // namespace lowland::apps
