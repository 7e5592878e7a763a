#include "models/decoder/family.h"

#include "models/decoder/decoder.h"
#include "models/decoder/tied_head.h"
#include "models/hub/merge.h"

namespace lowland {

HubFamily decoder_family(const DecoderConfig& config, const std::string& base_prefix, const std::string& targets) {
  HubFamily family;
  family.base_prefix = base_prefix;
  family.default_targets = targets;
  if (config.classifies) {
    family.whole = {kScore};
    family.task_type = "SEQ_CLS";
  } else {
    family.tied = config.tie_word_embeddings ? config.embedding() : "";
    family.task_type = "CAUSAL_LM";
  }
  family.outline = [base_prefix](const std::string& folder, LoadedAdapter& adapter) {
    const std::unique_ptr<DecoderConfig> of_folder = decoder_config_of(folder);
    const HeadTensor* classes = adapter.find_classes();
    of_folder->classifies = classes != nullptr || adapter.config.task_type == "SEQ_CLS";
    if (classes != nullptr) of_folder->num_labels = classes->shape[0];
    settle_tied_head(*of_folder, folder, base_prefix, {}, of_folder->embedding());
    fit_to_adapter(*of_folder, adapter, of_folder->embedding());
    return of_folder->new_model();
  };
  family.merged_config = [](const std::string& text, const std::string& file, const LoadedAdapter& adapter) {
    if (adapter.find_classes() == nullptr) return text;
    return classifier_config(text, file, adapter, read_decoder_config(text, file)->classifier_class());
  };
  return family;
}

std::unique_ptr<DecoderConfig> DecoderConfig::as_classifier() const {
  std::unique_ptr<DecoderConfig> c = copy();
  c->classifies = true;
  return c;
}

std::string DecoderConfig::classifier_json() const {
  const std::unique_ptr<DecoderConfig> written = as_classifier();
  written->architectures = {classifier_class()};
  written->dtype = "float32";
  return written->to_json();
}

HubFamily DecoderConfig::classifier_family() const { return as_classifier()->family(); }
std::unique_ptr<TextModel> DecoderConfig::new_classifier() const { return as_classifier()->new_model(); }

}  // namespace lowland
