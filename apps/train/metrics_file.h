// metrics.jsonl: an object a line, appended while a run goes on.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

namespace lowland::apps {

struct MetricLines {
  std::vector<nlohmann::json> lines;
  std::vector<int64_t> damaged;  // numbers, from 1, of lines that are no object with a step; a last one without its
                                 // end, where a process was killed, is none of them
};

// A file that is not there has no lines. Error where it cannot be read.
MetricLines read_metric_lines(const std::filesystem::path& file);

// Tells of damaged lines, if there are any.
void say_damaged_lines(const MetricLines& metrics, const std::filesystem::path& file);

}  // namespace lowland::apps
