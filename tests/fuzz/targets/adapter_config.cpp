#include "models/hub/peft_config.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

LL_FUZZ_TARGET(adapter_config) {
  attempt([&] {
    const auto config = AdapterConfig::from_json(std::string(as_text(data, size)), "adapter_config.json");
    const std::string module = "roberta.encoder.layer.1.attention.self.query";
    config.targets(module);
    config.scale_of(module);
    AdapterConfig::from_json(config.to_json(), "its own text");
  });
  return 0;
}
