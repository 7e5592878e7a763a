#include "apps/common/merge.h"

#include "apps/llama/verbs.h"
#include "models/llama/family.h"

namespace lowland::apps {

void add_merge(CLI::App& app) { add_merge(app, llama_family()); }

}  // namespace lowland::apps
