// adapter_logits MODEL ADAPTER IDS.json: logits of a model with a PEFT adapter on given token ids, as JSON for
// tests/peers/check_adapter.py and check_adapter_census.py: of a classifier one row a sequence, of a decoder or the
// language model of a LLaVA its last one. IDS.json: {"ids": [[...], ...]}.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/decoder/load_weights.h"
#include "models/decoder/tied_head.h"
#include "models/hub/adapter.h"
#include "models/llama/llama.h"
#include "models/text/text_folder.h"
#include "models/vlm/family.h"
#include "models/vlm/load_weights.h"
#include "models/vlm/names.h"

using namespace lowland;

namespace {

using Ids = std::vector<std::vector<int32_t>>;

nn::Rows rows_of(Context& context, const Ids& ids, bool last) {
  std::vector<nn::Segment> segments;
  for (size_t i = 0; i < ids.size(); ++i)
    segments.push_back({ids[i], static_cast<int64_t>(i), {last ? static_cast<int32_t>(ids[i].size()) - 1 : 0}});
  return nn::pack(context, segments);
}

Tensor classifier(Context& context, const std::string& folder, LoadedAdapter& adapter, const Ids& ids) {
  const std::unique_ptr<TextConfig> config = text_config_of(folder);
  config->set_labels(unnamed_labels(adapter.find_classes()->shape[0]));
  fit_classifier(*config, adapter);
  const HubFamily family = config->classifier_family();
  const std::unique_ptr<TextModel> model = config->new_classifier();
  attach_adapter(*model, settings_of(adapter), family, &adapter);
  model->materialise(context, DType::f32);
  WeightMap weights = open_weights(folder, family);
  load_classifier(*model, weights, 0, &adapter);
  fill_adapter(*model, adapter);
  return model->forward(rows_of(context, ids, config->causal()), nn::Mode::evaluation());  // (S, labels)
}

Tensor decoder(Context& context, const std::string& folder, LoadedAdapter& adapter, const Ids& ids) {
  const std::unique_ptr<DecoderConfig> config = decoder_config_of(folder);
  const HubFamily family = config->family();
  settle_tied_head(*config, folder, family.base_prefix, {}, config->embedding());
  fit_to_adapter(*config, adapter, config->embedding());
  const std::unique_ptr<Decoder> model = config->new_model();
  attach_adapter(*model, settings_of(adapter), family, &adapter);
  model->materialise(context, DType::f32);
  WeightMap weights = open_weights(folder, family);
  load_weights(*model, weights, 0, &adapter);
  fill_adapter(*model, adapter);
  return model->forward(rows_of(context, ids, true), nn::Mode::evaluation());  // (S, V)
}

Tensor vlm(Context& context, const std::string& folder, LoadedAdapter& adapter, const Ids& ids) {
  VlmConfig config = VlmConfig::from_folder(folder);
  settle_tied_head(config.text, folder, "", new_vlm_name, kVlmEmbedding);
  fit_to_adapter(config.text, adapter, kVlmEmbedding);
  Vlm model(config);
  attach_adapter(model, settings_of(adapter), vlm_family({}, config), &adapter);
  model.materialise(context, DType::f32);
  WeightMap weights = open_weights(folder, vlm_family());
  load_weights(model, weights, 0, &adapter);
  fill_adapter(model, adapter);
  return model.forward(rows_of(context, ids, true), {}, nn::Mode::evaluation());  // (S, V)
}

nlohmann::json run(const std::string& folder, const std::string& adapter_folder, const std::string& file) {
  const auto ids = nlohmann::json::parse(read_file(file)).at("ids").get<Ids>();
  const std::string config = read_file(folder + "/config.json");
  const bool is_vlm = config.find("\"vision_config\"") != std::string::npos;
  LoadedAdapter adapter = load_adapter(adapter_folder, is_vlm ? Rename(new_vlm_name) : Rename());
  Context context;
  const NoGrad guard(context);
  const bool classes = adapter.find_classes() != nullptr;
  const Tensor logits = (is_vlm ? vlm : classes ? classifier : decoder)(context, folder, adapter, ids);
  const std::vector<float> flat = logits.to_vector<float>();
  nlohmann::json out{{"ids", ids}};
  for (auto row = flat.begin(); row != flat.end(); row += logits.dim(1))
    out["logits"].push_back(std::vector<float>(row, row + logits.dim(1)));
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "error: adapter_logits MODEL ADAPTER IDS.json\n");
    return 1;
  }
  try {
    std::printf("%s\n", run(argv[1], argv[2], argv[3]).dump().c_str());
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
