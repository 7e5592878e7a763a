#include "apps/bench/bench.h"

#include <algorithm>
#include <chrono>

#include "apps/common/progress.h"
#include "engine/error.h"
#include "engine/op_log.h"

namespace lowland::apps {
namespace {

using Clock = std::chrono::steady_clock;

double timed_ms(const BenchSubject& s, int64_t step, int64_t& tokens) {
  const Clock::time_point start = Clock::now();
  tokens = s.step(step);
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

nlohmann::ordered_json op_records(OpLog& log, double total_ms) {
  std::vector<std::pair<std::string, OpRecord>> rows(log.records().begin(), log.records().end());
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second.ms > b.second.ms; });
  nlohmann::ordered_json out;
  for (const auto& [name, r] : rows) {
    nlohmann::ordered_json o = {{"calls", r.calls}, {"ms", r.ms}, {"share", r.ms / total_ms}};
    if (r.work.flops > 0) o["tflops"] = r.work.flops / r.ms / 1e9;
    if (r.work.bytes > 0) o["gb_per_s"] = r.work.bytes / r.ms / 1e6;
    out[name] = std::move(o);
  }
  return out;
}

}  // namespace

double quantile(std::vector<double> values, double q) {
  LL_CHECK(!values.empty(), "no values to take a quantile of");
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, values.size() - 1);
  const double t = at - static_cast<double>(low);
  return values[low] * (1 - t) + values[high] * t;
}

std::vector<BenchResult> run_bench(const std::vector<BenchSubject>& subjects, const BenchOptions& options) {
  std::vector<BenchResult> results(subjects.size());
  int64_t warmup = options.warmup, steps = options.steps, tokens = 0, step = 0;
  double round_ms = 0;  // one step of every method
  for (const BenchSubject& s : subjects) {
    timed_ms(s, step, tokens);  // the first step allocates: not counted in any way
    round_ms += timed_ms(s, step + 1, tokens);
  }
  step += 2;
  if (options.ranks != nullptr) {  // all take as many steps
    std::vector<double> longest = {round_ms};
    options.ranks->all_reduce(longest, "the first steps", dist::Reduce::max);
    round_ms = longest[0];
  }
  if (options.budget_s > 0 && round_ms > 1000.0 * static_cast<double>(subjects.size())) {
    warmup = 2;
    steps = std::clamp(static_cast<int64_t>(options.budget_s * 1e3 / round_ms), int64_t{5}, options.steps);
    say(fmt::format("a step takes longer than a second: {} timed steps after {} warm-ups", steps, warmup));
  }
  Progress progress("bench", warmup + steps);
  for (int64_t i = 2; i < warmup; ++i, ++step) {
    for (const BenchSubject& s : subjects) timed_ms(s, step, tokens);
    progress.update(i, "warm-up");
  }
  for (size_t k = 0; k < subjects.size(); ++k) {
    results[k].method = subjects[k].method;
    results[k].warmup = std::max<int64_t>(warmup, 2);
    if (options.by_op) subjects[k].context->op_log().set_collecting(true);
  }
  std::vector<double> tokens_seen(subjects.size(), 0.0);
  const auto waited = [&] { return options.ranks == nullptr ? 0 : options.ranks->seconds(); };
  for (int64_t i = 0; i < steps; ++i, ++step) {
    for (size_t k = 0; k < subjects.size(); ++k) {
      results[k].waited -= waited();
      results[k].ms.push_back(timed_ms(subjects[k], step, tokens));
      results[k].waited += waited();
      tokens_seen[k] += static_cast<double>(tokens);
      results[k].ratio.push_back(results[k].ms.back() / results[0].ms.back());
    }
    progress.update(warmup + i + 1, fmt::format("{:.0f} ms", results[0].ms.back()));
  }
  for (size_t k = 0; k < subjects.size(); ++k) {
    double total = 0;
    for (const double ms : results[k].ms) total += ms;
    results[k].waited *= 1e3 / total;
    results[k].tokens_per_s = tokens_seen[k] / total * 1e3;
    results[k].peak_bytes = subjects[k].context->memory().peak_bytes();
    if (options.by_op) results[k].ops = op_records(subjects[k].context->op_log(), total);
  }
  return results;
}

nlohmann::ordered_json to_json(const BenchResult& r, const BenchResult& first) {
  nlohmann::ordered_json o;
  o["method"] = r.method;
  o["step_ms"] = quantile(r.ms, 0.5);
  o["tokens_per_s"] = r.tokens_per_s;
  o["peak_bytes"] = r.peak_bytes;
  o["time_ratio"] = quantile(r.ratio, 0.5);
  o["memory_ratio"] = static_cast<double>(r.peak_bytes) / static_cast<double>(first.peak_bytes);
  o["time_ratio_min"] = quantile(r.ratio, 0);
  o["time_ratio_max"] = quantile(r.ratio, 1);
  o["step_ms_p10"] = quantile(r.ms, 0.1);
  o["step_ms_p90"] = quantile(r.ms, 0.9);
  o["n"] = r.ms.size();
  o["warmup"] = r.warmup;
  if (!r.ops.is_null()) o["ops"] = r.ops;
  return o;
}

std::string to_table(const std::vector<BenchResult>& results) {
  std::string text = fmt::format("{:<12} {:>10} {:>10} {:>12} {:>24} {:>12}\n", "method", "step ms", "tokens/s", "peak",
                                 "time ratio min/med/max", "memory ratio");
  for (const BenchResult& r : results)
    text += fmt::format(
        "{:<12} {:>10.1f} {:>10.0f} {:>12} {:>24} {:>12.4f}\n", r.method, quantile(r.ms, 0.5), r.tokens_per_s,
        bytes_text(r.peak_bytes),
        fmt::format("{:.3f}/{:.3f}/{:.3f}", quantile(r.ratio, 0), quantile(r.ratio, 0.5), quantile(r.ratio, 1)),
        static_cast<double>(r.peak_bytes) / static_cast<double>(results[0].peak_bytes));
  return text;
}

std::string by_op_table(const BenchResult& r) {
  std::string text = fmt::format("{}\n{:<34} {:>8} {:>12} {:>8}\n", r.method, "op", "calls", "ms", "share");
  for (const auto& [name, o] : r.ops.items()) {
    std::string rate;
    if (o.contains("tflops")) {
      const double tflops = o.at("tflops");
      rate = tflops < 1 ? fmt::format("{:>9.1f} GFLOP/s", 1e3 * tflops) : fmt::format("{:>9.1f} TFLOP/s", tflops);
    }
    if (o.contains("gb_per_s")) rate += fmt::format("{:>9.1f} GB/s", o.at("gb_per_s").get<double>());
    text += fmt::format("{:<34} {:>8} {:>12.1f} {:>7.1f}%{}\n", name, o.at("calls").get<int64_t>(),
                        o.at("ms").get<double>(), 100 * o.at("share").get<double>(), rate);
  }
  return text;
}

}  // namespace lowland::apps
