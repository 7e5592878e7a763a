#include "apps/common/merge.h"

#include "apps/vlm/verbs.h"
#include "models/vlm/names.h"

namespace lowland::apps {

void add_merge(CLI::App& app) {
  MergeFamily family;
  family.rename = new_vlm_name;
  family.config = [](const std::string& text, const std::string&, const AdapterCard&, const LoadedAdapter&) {
    return text;
  };
  add_merge(app, family);
}

}  // namespace lowland::apps
