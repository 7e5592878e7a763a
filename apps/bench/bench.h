// Times training steps of several methods side by side: step by step in turn, in one process, so that what the machine
// does meanwhile meets all of them alike. Each subject has a Context of its own, hence its own peak of memory.
#pragma once
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/context.h"
#include "engine/dist/communicator.h"

namespace lowland::apps {

struct BenchSubject {
  std::string method;
  Context* context = nullptr;
  std::function<int64_t(int64_t step)> step;  // runs one training step, returns its real tokens
};

struct BenchOptions {
  int64_t warmup = 10, steps = 30;
  double budget_s = 0;  // steps longer than a second: fewer, at least 5, within this time (0: never fewer)
  bool by_op = false;
  dist::Communicator* ranks = nullptr;  // that share each step; null: this process alone
};

struct BenchResult {
  std::string method;
  std::vector<double> ms;     // per timed step
  std::vector<double> ratio;  // to the first method's step of the same turn
  double tokens_per_s = 0;
  size_t peak_bytes = 0;
  int64_t warmup = 0;
  nlohmann::ordered_json ops;  // by_op: name -> {calls, ms, share}
  double waited = 0;           // share of the time in which this process waited for others
};

std::vector<BenchResult> run_bench(const std::vector<BenchSubject>& subjects, const BenchOptions& options);

double quantile(std::vector<double> values, double q);

// One JSON object per method, keys as docs/cli.md: method, step_ms, tokens_per_s, peak_bytes, time_ratio, ...
nlohmann::ordered_json to_json(const BenchResult& result, const BenchResult& first);
std::string to_table(const std::vector<BenchResult>& results);
std::string by_op_table(const BenchResult& result);

}  // namespace lowland::apps
