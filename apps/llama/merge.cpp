#include "apps/common/merge.h"

#include "apps/llama/verbs.h"

namespace lowland::apps {

void add_merge(CLI::App& app) {
  MergeFamily family;
  family.base_prefix = "model";
  family.config = [](const std::string& text, const std::string&, const AdapterCard&, const LoadedAdapter&) {
    return text;
  };
  add_merge(app, family);
}

}  // namespace lowland::apps
