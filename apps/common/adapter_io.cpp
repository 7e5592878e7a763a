#include "apps/common/adapter_io.h"

#include <fmt/format.h>

#include "apps/common/progress.h"

namespace lowland::apps {

AdapterSettings adapter_settings(const Settings& s) {
  return {.rank = s.rank,
          .alpha = s.alpha,
          .dropout = s.lora_dropout,
          .rslora = s.rslora,
          .targets = s.targets,
          .modules_to_save = s.modules_to_save,
          .targets_as_is = !s.adapter.empty()};
}

void take_adapter_settings(const LoadedAdapter& adapter, Settings& s) {
  const AdapterSettings theirs = settings_of(adapter);
  s.rank = theirs.rank;
  s.alpha = theirs.alpha;
  s.lora_dropout = theirs.dropout;
  s.rslora = theirs.rslora;
  s.targets = theirs.targets;
}

std::string params_line(const nn::Model& model) {
  const int64_t trained = model.trainable_count(), all = model.total_count();
  return fmt::format("trainable params: {} || all params: {} || trainable%: {:.4f}", thousands(trained), thousands(all),
                     100.0 * static_cast<double>(trained) / static_cast<double>(all));
}

}  // namespace lowland::apps
