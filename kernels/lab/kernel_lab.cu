// kernel_lab [NAME...] [--json FILE] [--runs N]: the experiments whose names begin with one of NAME, or all of them.
// Exit status: 0 all proved, 1 an error or a wrong result, 77 no device.
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kernels/common/error.h"
#include "kernels/lab/experiments.h"

namespace {

using namespace lowland;

struct Named {
  const char* name;
  void (*run)(lab::Lab&);
};
constexpr Named kExperiments[] = {
    {"rms_norm_forward", lab::rms_norm_forward_versions},
    {"rms_norm_backward", lab::rms_norm_backward_versions},
    {"layer_norm_forward", lab::layer_norm_forward_versions},
    {"rope_forward", lab::rope_forward_versions},
    {"swiglu_forward", lab::swiglu_forward_versions},
    {"swiglu_backward", lab::swiglu_backward_versions},
    {"cross_entropy_forward", lab::cross_entropy_forward_versions},
    {"cross_entropy_backward", lab::cross_entropy_backward_versions},
    {"attention_forward", lab::attention_forward_versions},
    {"attention_backward", lab::attention_backward_versions},
    {"eflat_perturbation", lab::eflat_perturbation_versions},
};

struct Options {
  std::vector<std::string> names;
  std::string json;
  int runs = 21;
};

bool begins_with(const char* name, const std::string& start) {
  return std::strncmp(name, start.c_str(), start.size()) == 0;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--json" || word == "--runs") {
      if (i + 1 == argc) fail(word + " needs a value");
      const char* value = argv[++i];
      if (word == "--json") {
        options.json = value;
        continue;
      }
      options.runs = std::atoi(value);
      if (options.runs < 1) fail("--runs must be a number of at least 1, got " + std::string(value));
      continue;
    }
    bool known = false;
    for (const Named& e : kExperiments) known = known || begins_with(e.name, word);
    if (!known) {
      std::string all;
      for (const Named& e : kExperiments) all += std::string(" ") + e.name;
      fail("there is no experiment " + word + "; there are" + all);
    }
    options.names.push_back(word);
  }
  return options;
}

// What one experiment cannot do, the others still show; what was found is in the file after each.
int run(const Options& options) {
  lab::Lab lab(options.runs);
  bool all_ran = true;
  for (const Named& e : kExperiments) {
    bool wanted = options.names.empty();
    for (const std::string& name : options.names) wanted = wanted || begins_with(e.name, name);
    if (!wanted) continue;
    try {
      e.run(lab);
    } catch (const Error& error) {
      std::fprintf(stderr, "kernel_lab: %s: %s\n", e.name, error.what());
      all_ran = false;
    }
    if (!options.json.empty()) lab.write_json(options.json);
  }
  return all_ran && lab.all_proved() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parse(argc, argv);
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
      std::fprintf(stderr, "kernel_lab: skipped, there is no CUDA device\n");
      return 77;
    }
    return run(options);
  } catch (const Error& error) {
    std::fprintf(stderr, "kernel_lab: %s\n", error.what());
    return 1;
  }
}
