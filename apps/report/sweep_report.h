// The report of a sweep: tables as text, CSV and Markdown, and a page with pictures.
#pragma once
#include <filesystem>
#include <string>

#include "apps/report/sweep_table.h"

namespace lowland::apps {

// report.html, table.csv and table.md into the folder, the tables to stdout. Where no run has a score, that is said
// instead.
void write_sweep_report(const std::filesystem::path& folder, const std::string& title, const std::string& baseline,
                        const ResultLines& lines);

// Self-contained, as report_html is.
std::string sweep_html(const std::string& title, const SweepTable& table, const ResultLines& lines);

}  // namespace lowland::apps
