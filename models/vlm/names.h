// The names of LLaVA's modules and tensors. Transformers has had three spellings of them; the model here has the
// newest, which is what its modules are called in memory:
//   model.language_model.layers.N...     model.vision_tower.encoder...       model.multi_modal_projector...    lm_head
// Folders, and adapters made by transformers before 4.52, have
//   language_model.model.layers.N...     vision_tower.vision_model.encoder...     multi_modal_projector...
//   language_model.lm_head
// and versions in between have the new ones, but model.vision_tower.vision_model.encoder... All are read. Folders are
// written in the old spelling, which every version reads; adapters in the new one, or if asked for in the old one.
#pragma once
#include <string>

namespace lowland {

// The newest spelling of a module or tensor in any spelling. Names of other models stay as they are.
std::string new_vlm_name(const std::string& name);
// The oldest spelling of a module or tensor in the newest.
std::string old_vlm_name(const std::string& name);

}  // namespace lowland
