#include "tests/apps/same_run.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/report/report.h"
#include "tests/apps/program.h"

namespace lowland::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (!entry.is_directory()) files.push_back(entry.path().lexically_relative(folder).string());
  std::sort(files.begin(), files.end());
  return files;
}

void erase(json& object, std::initializer_list<const char*> keys) {
  for (const char* key : keys) object.erase(key);
}

// The file as it must be equal in both.
std::string timeless(const fs::path& run, const std::string& name) {
  const std::string text = read_text(run / name), file = fs::path(name).filename().string();
  if (file == "report.html")
    return text == apps::report_html({apps::read_run(run)}) ? "" : "not what the other files make";
  if (file == "metrics.jsonl") {
    std::string lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
      json object = json::parse(line);
      erase(object, {"tokens_per_s", "step_ms"});
      lines += object.dump() + "\n";
    }
    return lines;
  }
  if (file != "run.json" && file != "trainer_state.json" && file != "checksums.json") return text;
  json object = json::parse(text);
  erase(object, {"started", "finished", "seconds", "step_ms", "process_peak_bytes", "tokens_per_s"});
  // Of a process: setting up differs, and what is cached by then.
  erase(object, {"peak_bytes", "peak_bytes_by_phase", "planned_peak_bytes"});
  if (object.contains("window")) erase(object["window"], {"seconds"});
  if (object.contains("settings")) erase(object["settings"], {"out"});
  if (file == "checksums.json") {
    erase(object, {"xxh3"});
    erase(object["files"], {"trainer_state.json"});
  }
  return object.dump(1);
}

}  // namespace

std::string run_difference(const fs::path& a, const fs::path& b) {
  const std::vector<std::string> mine = files_in(a), theirs = files_in(b);
  std::vector<std::string> single;
  std::set_symmetric_difference(mine.begin(), mine.end(), theirs.begin(), theirs.end(), std::back_inserter(single));
  if (!single.empty()) return "only in one: " + single.front();
  for (const std::string& file : mine)
    if (timeless(a, file) != timeless(b, file)) return file;
  return "";
}

}  // namespace lowland::test
