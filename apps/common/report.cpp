#include "apps/common/report.h"

#include "apps/common/run_folder.h"

namespace lowland::apps {

RunRecord read_run(const std::filesystem::path& folder) { return {folder.filename().string(), read_json_file(folder / "run.json"), {}}; }

std::string report_html(const std::vector<RunRecord>&) { return ""; }

}  // namespace lowland::apps
