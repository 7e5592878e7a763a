// device_info [--json]: the GPU that would be used, in one line; exit code 1 and one sentence where there is none.
#include <cstdio>
#include <cstring>

#include "apps/bench/gpu_state.h"
#include "engine/error.h"

int main(int argc, char** argv) {
  using namespace lowland;
  try {
    const Context context(Device{DeviceType::cuda, 0}, 1);
    const nlohmann::ordered_json o = apps::gpu_state(context);
    if (argc > 1 && std::strcmp(argv[1], "--json") == 0) {
      std::printf("%s\n", o.dump().c_str());
    } else {
      std::printf("cuda:0 is %s, sm_%d, driver %s, CUDA %s (this build: %s), SM clock %s of %s MHz, power limit %s W\n",
                  o.at("name").get<std::string>().c_str(), o.at("sm").get<int>(), o.at("driver").dump().c_str(),
                  o.at("cuda_driver").get<std::string>().c_str(), o.at("cuda_runtime").get<std::string>().c_str(),
                  o.at("sm_clock_mhz").dump().c_str(), o.at("sm_clock_max_mhz").dump().c_str(),
                  o.at("power_limit_w").dump().c_str());
    }
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
