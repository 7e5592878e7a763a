#include "apps/common/compare.h"

namespace lowland::apps {

void add_compare(CLI::App&) {}

}  // namespace lowland::apps
