#include "models/vlm/family.h"

#include <algorithm>

#include "engine/error.h"
#include "models/decoder/tied_head.h"
#include "models/hub/target_match.h"
#include "models/vlm/names.h"
#include "models/vlm/vlm.h"

namespace lowland {
namespace {

std::string spelled(const std::string& targets, const VlmAdapterParts& parts) {
  const ModuleTargets given = ModuleTargets::from_flag(targets);
  if (!given.expression.empty()) return given.expression;
  const bool all = given.all_linear;
  const std::string names =
      all ? "q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj" : fmt::format("{}", fmt::join(given.names, "|"));
  std::string expression = fmt::format(".*language_model.*\\.({})", names);
  const bool head = std::find(given.names.begin(), given.names.end(), "lm_head") != given.names.end();
  if (head) expression += "|lm_head";
  if (!head && parts.tower != VlmPart::lora && parts.projector != VlmPart::lora) return expression;
  if (parts.tower == VlmPart::lora)
    expression +=
        all ? "|.*vision_tower.*\\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)" : "|.*vision_tower.*\\.(q_proj|v_proj)";
  if (parts.projector == VlmPart::lora) expression += "|.*multi_modal_projector\\.(linear_1|linear_2)";
  return "(" + expression + ")";
}

}  // namespace

HubFamily vlm_family(const VlmAdapterParts& parts, const VlmConfig& config) {
  HubFamily family;
  family.rename = new_vlm_name;
  if (parts.old_names) family.written = old_vlm_name;
  family.default_targets = "q_proj,v_proj";
  family.spell_targets = [parts](const std::string& targets) { return spelled(targets, parts); };
  if (parts.projector == VlmPart::full) family.whole.push_back("multi_modal_projector");
  if (parts.tower == VlmPart::full) family.whole.push_back("vision_tower");
  family.target_root = "language_model";
  family.tied = config.text.tie_word_embeddings ? kVlmEmbedding : "";
  family.outline = [](const std::string& folder, LoadedAdapter& adapter) {
    VlmConfig of_folder = VlmConfig::from_folder(folder);
    settle_tied_head(of_folder.text, folder, "", new_vlm_name, kVlmEmbedding);
    fit_to_adapter(of_folder.text, adapter, kVlmEmbedding);
    return std::make_unique<Vlm>(of_folder);
  };
  family.task_type = "CAUSAL_LM";
  family.base_model_class = "LlavaForConditionalGeneration";
  family.parent_library = "transformers.models.llava.modeling_llava";
  return family;
}

}  // namespace lowland
