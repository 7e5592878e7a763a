// adapter_logits MODEL ADAPTER IDS.json: logits of a classifier with a PEFT adapter on given token ids, as JSON for
// tests/peers/check_adapter.py. IDS.json: {"ids": [[...], ...]}.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/common/adapter_io.h"
#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/roberta/load_weights.h"

using namespace lowland;

namespace {

nlohmann::json run(const std::string& folder, const std::string& adapter_folder, const std::string& file) {
  const auto ids = nlohmann::json::parse(read_file(file)).at("ids").get<std::vector<std::vector<int32_t>>>();
  const LoadedAdapter adapter = load_adapter(adapter_folder);
  RobertaConfig config = RobertaConfig::from_folder(folder);
  const HeadTensor* head = adapter.find_head("classifier.out_proj.bias");
  LL_CHECK(head != nullptr, "{} has no classifier", adapter_folder);
  std::vector<std::string> labels;
  for (int64_t i = 0; i < head->shape[0]; ++i) labels.push_back(fmt::format("LABEL_{}", i));
  config.set_labels(labels);
  Context context;
  Roberta model(config, RobertaHead::classification);
  apps::Settings settings;
  apps::take_adapter_settings(adapter, settings);
  model.attach_lora(apps::lora_config(settings, "query,value"));
  model.train([](const std::string& name) { return name.rfind("classifier.", 0) == 0; });
  model.materialise(context, DType::f32);
  load_weights(model, folder, 0);
  apps::fill_adapter(model, adapter, adapter_folder, true);
  std::vector<nn::Segment> segments;
  for (size_t i = 0; i < ids.size(); ++i) segments.push_back({ids[i], static_cast<int64_t>(i), {0}});
  const NoGrad guard(context);
  const Tensor logits = model.forward(nn::pack(context, segments), nn::Mode::evaluation());  // (S, labels)
  const std::vector<float> flat = logits.to_vector<float>();
  nlohmann::json out{{"ids", ids}};
  for (size_t i = 0; i < ids.size(); ++i)
    out["logits"].push_back(std::vector<float>(flat.begin() + static_cast<std::ptrdiff_t>(i * labels.size()),
                                               flat.begin() + static_cast<std::ptrdiff_t>((i + 1) * labels.size())));
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
