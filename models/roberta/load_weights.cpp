#include "models/roberta/load_weights.h"

#include "engine/error.h"
#include "models/hub/target_match.h"
#include "models/roberta/family.h"

namespace lowland {

LoadReport load_weights(Roberta& model, WeightMap& weights, uint64_t seed) {
  const EncoderKind& kind = model.config().kind();
  std::vector<std::string> heads = kind.heads;
  const std::string pooler = std::string(kind.dense) + ".weight";
  if (model.head() == RobertaHead::classification && !is_within(pooler, heads) && !weights.contains(pooler)) {
    for (const auto& p : model.parameters().all())
      LL_CHECK(p->name != pooler || p->trainable,
               "{} has no tensor `{}`, which the head of a classifier reads: --modules-to-save pooler trains a new one",
               weights.folder(), pooler);
    heads.emplace_back(kind.dense);
  }
  return load_with_head(model, weights, heads, model.config().initializer_range, seed);
}

LoadReport load_weights(Roberta& model, const std::string& folder, uint64_t seed) {
  WeightMap weights = open_weights(folder, roberta_family(model.config().model_type));
  return load_weights(model, weights, seed);
}

}  // namespace lowland
