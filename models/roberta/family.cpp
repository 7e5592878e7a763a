#include "models/roberta/family.h"

#include <algorithm>

#include "engine/error.h"
#include "models/hub/merge.h"
#include "models/roberta/roberta.h"

namespace lowland {

void fit_to_adapter(RobertaConfig& config, const LoadedAdapter& adapter) {
  for (const auto* tensors : {&adapter.head, &adapter.stored})
    for (const HeadTensor& t : *tensors)
      if (t.name.ends_with("embeddings.word_embeddings.weight") && t.shape.size() == 2) config.vocab_size = t.shape[0];
}

HubFamily roberta_family(const std::string& model_type, bool label_words) {
  const EncoderKind* kind = encoder_kind(model_type);
  LL_CHECK(kind != nullptr, "model_type {} is no encoder's", model_type);
  HubFamily family;
  family.base_prefix = kind->base;
  family.default_targets = kind->targets;
  if (label_words) {
    family.base_model_class = std::string(kind->class_names) + "ForMaskedLM";
    family.parent_library = fmt::format("transformers.models.{0}.modeling_{0}", kind->library);
  } else {
    family.whole = kind->heads;
    family.task_type = "SEQ_CLS";
  }
  family.outline = [kind](const std::string& folder, LoadedAdapter& adapter) {
    RobertaConfig config = RobertaConfig::from_folder(folder);
    const auto in_lm_head = [&](const std::string& name) { return name.starts_with(kind->lm_head); };
    const bool masked =
        adapter.config.base_model_class == std::string(kind->class_names) + "ForMaskedLM" ||
        std::any_of(adapter.modules.begin(), adapter.modules.end(),
                    [&](const LoraFactors& f) { return in_lm_head(f.module); }) ||
        std::any_of(adapter.head.begin(), adapter.head.end(), [&](const HeadTensor& t) { return in_lm_head(t.name); });
    fit_to_adapter(config, adapter);
    if (const HeadTensor* classes = adapter.find_classes()) config.num_labels = classes->shape[0];
    return std::make_unique<Roberta>(config, masked ? RobertaHead::masked_lm : RobertaHead::classification);
  };
  family.merged_config = [kind](const std::string& text, const std::string& file, const LoadedAdapter& adapter) {
    if (adapter.find_classes() != nullptr) RobertaConfig::from_json(text, file);  // refuses what is no encoder
    return classifier_config(text, file, adapter, std::string(kind->class_names) + "ForSequenceClassification");
  };
  return family;
}

HubFamily RobertaConfig::classifier_family() const { return roberta_family(model_type, !label_words.empty()); }

std::unique_ptr<TextModel> RobertaConfig::new_classifier() const {
  return std::make_unique<Roberta>(*this, label_words.empty() ? RobertaHead::classification : RobertaHead::masked_lm);
}

}  // namespace lowland
