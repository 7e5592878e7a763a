// The small JSON files of a checkpoint and an adapter beside config.json.
#include "models/hub/adapter_card.h"
#include "models/hub/generation_config.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

LL_FUZZ_TARGET(hub_files) {
  const std::string text(as_text(data, size));
  attempt([&] { GenerationConfig::from_json(text, "generation_config.json"); });
  attempt([&] { AdapterCard::from_json(text, "lowland.json"); });
  return 0;
}
