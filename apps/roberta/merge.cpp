#include "apps/common/merge.h"

#include "apps/roberta/verbs.h"
#include "models/roberta/family.h"

namespace lowland::apps {

void add_merge(CLI::App& app) { add_merge(app, roberta_family()); }

}  // namespace lowland::apps
