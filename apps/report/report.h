// Pictures of one run or of several side by side: report.html, a single file with its curves drawn in SVG.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lowland::apps {

struct RunRecord {
  std::string name;                     // the folder's
  nlohmann::json info;                  // run.json
  std::vector<nlohmann::json> metrics;  // metrics.jsonl
  nlohmann::json landscape;             // landscape.json of the verb probe; null if there is none
};

// Error, naming the file, if the folder has no run.json, or a file holds what no run writes. Damaged lines of
// metrics.jsonl are left out, and told.
RunRecord read_run(const std::filesystem::path& folder);

// The figures of the runs, a row each after the row of headings: metrics, loss, sharpness, time, memory.
std::vector<std::vector<std::string>> run_table(const std::vector<RunRecord>& runs);

// What the runs logged: a row each line of metrics.jsonl after the row of headings, run, step and every other number.
std::vector<std::vector<std::string>> metric_rows(const std::vector<RunRecord>& runs);

// Settings in which the runs differ, so that nobody compares unlike runs unawares: a row each after the row of
// headings; empty if there are none.
std::vector<std::vector<std::string>> settings_that_differ(const std::vector<RunRecord>& runs);

// What the star of run_table means, where it stands in it; else empty.
const char* perturbed_note(const std::vector<RunRecord>& runs);

// One landscape of the verb probe, as it prints it: a curve or a heat map.
std::string landscape_html(const std::string& title, const nlohmann::json& landscape);

// The plane of the verb plane, as it prints it, with the names of the places.
std::string plane_html(const std::string& title, const nlohmann::ordered_json& plane);

// Self-contained: opens without a network, no scripts from elsewhere.
std::string report_html(const std::vector<RunRecord>& runs);

}  // namespace lowland::apps
