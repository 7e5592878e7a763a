// merge_adapter: base + s B A as a folder of its own, for programs that know nothing of adapters.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "models/hub/family.h"
#include "models/hub/peft_adapter.h"

namespace lowland {

struct MergeReport {
  int64_t modules = 0;             // matrices to which a product was added
  std::vector<std::string> added;  // tensors of the adapter's head that the base lacks
};

// Reads the files of `base` (a folder, or a name as for resolve_model_folder), adds s B A in f32, rounds once to each
// tensor's own dtype and keeps the sharding; a task head of the adapter replaces the base's or is added, in f32.
// config.json is the family's affair (HubFamily::merged_config), the files beside the weights are copied. `out` appears
// whole or not at all. Throws Error where `out` holds something already, on an adapter of another base or of other
// sizes, and on a sum that is not finite.
MergeReport merge_adapter(const std::string& base, const std::string& adapter, const std::string& out,
                          const HubFamily& family);

// config.json of a classifier, for HubFamily::merged_config: the text with `architecture` and the labels and problem
// type of the adapter's card, all other keys as they are. Labels that the card lacks are called LABEL_0, LABEL_1, ...
// An adapter without a head (LoadedAdapter::find_classes) leaves the text as it is.
std::string classifier_config(const std::string& config_json, const std::string& file, const LoadedAdapter& adapter,
                              const std::string& architecture);

}  // namespace lowland
