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
  int64_t widened = 0;             // tensors that were in blocks, and are written as bf16 or f32
  std::vector<std::string> added;  // tensors that the base lacks: of the adapter's head, and a head that was tied
  std::vector<std::string> notes;  // lines on what else is other than in the base
};

// Reads the files of `base` (a folder, or a name as for resolve_model_folder), adds s B A in f32, rounds once to each
// tensor's own dtype and keeps the sharding; what the adapter holds whole replaces the base's or is added, a task head
// in f32, and what was quantised is written in bf16, or in f32 where config.json says that the model computes so. Where
// embedding and head are one tensor and the adapter parts them, the head is written beside it and config.json says so,
// as it says the size of a vocabulary that grew; the rest of it is the family's affair (HubFamily::merged_config). All
// other files and folders of the base are copied, but no weights in other formats, for programs would read them
// instead. `out` appears whole or not at all. Throws Error where `out` holds something already, on an adapter that does
// not load on that base (check_adapter), and on a number that is not finite as it is written.
// adapter: empty for the base by itself, as of a GGUF file.
MergeReport merge_adapter(const std::string& base, const std::string& adapter, const std::string& out,
                          const HubFamily& family);

// config.json of a classifier, for HubFamily::merged_config: the text with `architecture` and the labels and problem
// type of the adapter's card, all other keys as they are. Labels that the card lacks are called LABEL_0, LABEL_1, ...
// An adapter without a head (LoadedAdapter::find_classes) leaves the text as it is.
std::string classifier_config(const std::string& config_json, const std::string& file, const LoadedAdapter& adapter,
                              const std::string& architecture);

}  // namespace lowland
