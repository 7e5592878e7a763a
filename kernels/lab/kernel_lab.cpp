// kernel_lab [NAME...] [--host] [--json FILE] [--runs N]: the experiments whose names begin with one of NAME, or all of
// them. Exit status: 0 all proved, 1 an error or a wrong result, 77 no device.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kernels/common/error.h"
#include "kernels/lab/experiments.h"
#include "kernels/lab/host_lab.h"
#if defined(LL_CUDA_BACKEND)
#include "kernels/lab/device_lab.h"
#endif

namespace {

using namespace lowland;

struct Options {
  std::vector<std::string> names;
  std::string json;
  int runs = 21;
  bool host = false;
};

bool begins_with(const char* name, const std::string& start) {
  return std::strncmp(name, start.c_str(), start.size()) == 0;
}

void check_name(const std::string& word) {
  std::string all;
  for (const auto& e : lab::kExperiments<lab::HostLab>) {
    if (begins_with(e.name, word)) return;
    all += std::string(" ") + e.name;
  }
  fail("there is no experiment " + word + "; there are" + all);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--host") {
      options.host = true;
    } else if (word == "--json" || word == "--runs") {
      if (i + 1 == argc) fail(word + " needs a value");
      const char* value = argv[++i];
      if (word == "--json") {
        options.json = value;
        continue;
      }
      options.runs = std::atoi(value);
      if (options.runs < 1) fail("--runs must be a number of at least 1, got " + std::string(value));
    } else {
      check_name(word);
      options.names.push_back(word);
    }
  }
  return options;
}

// What one experiment cannot do, the others still show; what was found is in the file after each.
template <class Lab> int run(Lab& lab, const Options& options) {
  bool all_ran = true;
  for (const auto& e : lab::kExperiments<Lab>) {
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

int run(const Options& options) {
  if (options.host) {
    lab::HostLab lab;
    return run(lab, options);
  }
#if defined(LL_CUDA_BACKEND)
  if (lab::DeviceLab::device_here()) {
    lab::DeviceLab lab(options.runs);
    return run(lab, options);
  }
#endif
  std::fprintf(stderr, "kernel_lab: skipped, there is no CUDA device; --host proves the versions without one\n");
  return 77;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const Error& error) {
    std::fprintf(stderr, "kernel_lab: %s\n", error.what());
    return 1;
  }
}
