// The verb probe, alike in all families: sharpness at the centre and what the adapters look like, as JSON on stdout.
#pragma once
#include <string>

#include "apps/common/flags.h"
#include "apps/common/workload.h"

namespace lowland::apps {

struct ProbeFlags {
  double rho = 0.05;
  std::string norm = "global", split = "train";
  int64_t examples = 256;
  bool hessian = false;
  std::string landscape = "none", html;
  int64_t points = 21;
  double range = 1;
};

void bind_probe(const OptionBinder& bind, ProbeFlags& flags);
void check_probe(const ProbeFlags& flags);
// REQUIRES a model with adapters, filled. A landscape is also written to RUN/landscape.json where the settings name a
// run, for `compare`, and drawn to --html.
void print_probe(nn::Model& model, const Workload& workload, const std::vector<PackedBatch>& batches,
                 const ProbeFlags& flags, const Settings& settings);

}  // namespace lowland::apps
