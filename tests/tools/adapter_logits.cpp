// adapter_logits MODEL ADAPTER IDS.json: logits of a classifier with a PEFT adapter on given token ids, as JSON for
// tests/peers/check_adapter.py. IDS.json: {"ids": [[...], ...]}.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/hub/adapter.h"
#include "models/roberta/family.h"
#include "models/roberta/load_weights.h"

using namespace lowland;

namespace {

nlohmann::json run(const std::string& folder, const std::string& adapter_folder, const std::string& file) {
  const auto ids = nlohmann::json::parse(read_file(file)).at("ids").get<std::vector<std::vector<int32_t>>>();
  const LoadedAdapter adapter = load_adapter(adapter_folder);
  RobertaConfig config = RobertaConfig::from_folder(folder);
  const HeadTensor* classes = adapter.find_classes();
  LL_CHECK(classes != nullptr, "{} has no classifier", adapter_folder);
  config.set_labels(unnamed_labels(classes->shape[0]));
  Context context;
  Roberta model(config, RobertaHead::classification);
  attach_adapter(model, settings_of(adapter), roberta_family(), &adapter);
  model.materialise(context, DType::f32);
  load_weights(model, folder, 0);
  fill_adapter(model, adapter);
  std::vector<nn::Segment> segments;
  for (size_t i = 0; i < ids.size(); ++i) segments.push_back({ids[i], static_cast<int64_t>(i), {0}});
  const NoGrad guard(context);
  const Tensor logits = model.forward(nn::pack(context, segments), nn::Mode::evaluation());  // (S, labels)
  const std::vector<float> flat = logits.to_vector<float>();
  nlohmann::json out{{"ids", ids}};
  for (auto row = flat.begin(); row != flat.end(); row += config.num_labels)
    out["logits"].push_back(std::vector<float>(row, row + config.num_labels));
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
