// The verb `bench` as all families have it: flags, one subject per method, the timing, and what is printed.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "apps/bench/bench.h"
#include "apps/common/flags.h"

namespace lowland::apps {

struct BenchVerbFlags {
  std::string methods = "lora,eflat-lora";
  int64_t steps = 30, warmup = 10, profile = 0;
  bool json = false, by_op = false, isolate = false, profile_graphs = false;
};

template <class V> void visit_bench(BenchVerbFlags& f, V&& v) {
  v("methods", f.methods, "Comma list: lora, eflat-lora, flat-lora, lora-sam, full");
  v("steps", f.steps, "Timed steps");
  v("warmup", f.warmup, "Steps before them");
  v("json", f.json, "One JSON object per method");
  v("by-op", f.by_op, "Time by op as well");
  v("isolate", f.isolate, "Each method in a process of its own: their memory peaks as the system counts them");
  v("profile", f.profile, "After the warm-up run N steps between cudaProfilerStart and Stop, and end");
  v("profile-graphs", f.profile_graphs, "Keep captured graphs while profiling: the ranges inside them are not seen");
}

// A method under test: its Context, and one training step. `keep` owns whatever the step needs.
struct BenchMethod {
  std::shared_ptr<void> keep;
  Context* context = nullptr;
  std::function<int64_t(int64_t step)> step;
  int64_t trained = 0;  // numbers
};

struct BenchVerb {
  std::string preset;
  std::string dtype;            // "f32", "bf16": set by make, before anything is printed
  nlohmann::ordered_json more;  // further keys of each JSON object
  std::function<BenchMethod(const std::string& method)> make;
};

// Settings of the run that depend on the flags: profiling switches graphs off.
void apply(const BenchVerbFlags& flags, Settings& settings);
void run_bench_verb(BenchVerb& verb, const BenchVerbFlags& flags);

}  // namespace lowland::apps
