// What a timing on a GPU depends on besides the program: its name, driver, clocks and power limit, from the driver's
// management library (NVML), which is looked for at run time.
#pragma once
#include <nlohmann/json.hpp>

#include "engine/context.h"

namespace lowland::apps {

// null on the CPU. {"name", "sm", "driver", "cuda_driver", "cuda_runtime", "memory_bytes", "sm_clock_mhz",
// "sm_clock_max_mhz", "memory_clock_mhz", "power_limit_w", "power_w", "temperature_c"}; what NVML does not tell is
// null.
nlohmann::ordered_json gpu_state(const Context& context);

}  // namespace lowland::apps
