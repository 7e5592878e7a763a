#include "models/vlm/names.h"

#include <utility>

namespace lowland {
namespace {

// The longest old prefix stands first.
constexpr std::pair<const char*, const char*> kToNew[] = {{"language_model.model.", "model.language_model."},
                                                          {"language_model.lm_head.", "lm_head."},
                                                          {"vision_tower.vision_model.", "model.vision_tower."},
                                                          {"vision_tower.", "model.vision_tower."},
                                                          {"model.vision_tower.vision_model.", "model.vision_tower."},
                                                          {"multi_modal_projector.", "model.multi_modal_projector."}};
constexpr std::pair<const char*, const char*> kToOld[] = {{"model.language_model.", "language_model.model."},
                                                          {"lm_head.", "language_model.lm_head."},
                                                          {"model.vision_tower.", "vision_tower.vision_model."},
                                                          {"model.multi_modal_projector.", "multi_modal_projector."}};

template <size_t n>
std::string with_prefix_changed(const std::string& name, const std::pair<const char*, const char*> (&table)[n]) {
  for (const auto& [from, to] : table) {
    const std::string prefix = from;
    if (name.starts_with(prefix)) return to + name.substr(prefix.size());
  }
  return name;
}

}  // namespace

std::string new_vlm_name(const std::string& name) { return with_prefix_changed(name, kToNew); }
std::string old_vlm_name(const std::string& name) { return with_prefix_changed(name, kToOld); }

}  // namespace lowland
