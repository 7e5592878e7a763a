// A --config file.
#include "apps/settings/toml_file.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

LL_FUZZ_TARGET(settings_toml) {
  const MemoryFile memory(as_text(data, size));
  attempt([&] { apps::read_toml_flags(memory.path()); });
  return 0;
}
