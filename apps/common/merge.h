// merge: models/hub/merge.h as a verb, alike in all apps.
#pragma once
#include <CLI/CLI.hpp>

#include "models/hub/family.h"

namespace lowland::apps {

void add_merge(CLI::App& app, const HubFamily& family);

}  // namespace lowland::apps
