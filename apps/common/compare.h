// compare RUN...: runs side by side, as a table and as report.html. Alike in all apps.
#pragma once
#include <CLI/CLI.hpp>

namespace lowland::apps {

void add_compare(CLI::App& app);

}  // namespace lowland::apps
