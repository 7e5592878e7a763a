// config.json by each family's reader, and preprocessor_config.json.
#include "models/decoder/config.h"
#include "models/images/image_processor.h"
#include "models/roberta/config.h"
#include "models/vit/config.h"
#include "models/vlm/config.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

LL_FUZZ_TARGET(config_json) {
  const std::string text(as_text(data, size));
  attempt([&] { RobertaConfig::from_json(text, "config.json").to_json(); });
  attempt([&] { read_decoder_config(text, "config.json")->to_json(); });
  attempt([&] { VitConfig::from_json(text, "config.json"); });
  attempt([&] { VlmConfig::from_json(text, "config.json"); });
  attempt([&] { ImageSettings::from_json(text, "preprocessor_config.json"); });
  return 0;
}
