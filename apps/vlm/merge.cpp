#include "apps/common/merge.h"

#include "apps/vlm/verbs.h"
#include "models/vlm/family.h"

namespace lowland::apps {

void add_merge(CLI::App& app) { add_merge(app, vlm_family()); }

}  // namespace lowland::apps
