// What the sessions of all families do alike: the device, what --run fills in, what an adapter's card says.
#pragma once
#include <memory>
#include <string>

#include "apps/common/settings.h"
#include "engine/context.h"

namespace lowland::apps {

// The device and threads that the settings ask for; `auto` is a GPU if one can be used, else the CPU. Throws Error
// for what this build or machine cannot do.
std::unique_ptr<Context> make_context(const Settings& settings);
// What the model computes in there: `auto` is bf16 on GPUs that multiply it (sm_80 and later), else f32.
DType compute_dtype(const Settings& settings, const Context& context);

// What frozen matrices are kept in, by --weights-dtype.
DType weights_dtype(const Settings& settings, const Context& context);

// --run fills in what the command line leaves at its default. `default_length`: the family's --max-length.
void take_run(Settings& settings, int64_t default_length = Settings().max_length);

// The method and its settings, as lowland.json holds them.
std::string method_json(const Settings& settings);

}  // namespace lowland::apps
