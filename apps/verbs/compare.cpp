#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "apps/report/report.h"
#include "apps/verbs/verbs.h"
#include "engine/io/atomic_file.h"
#include "models/tokenizers/printable.h"

namespace lowland::apps {
namespace {

// Columns in characters: "–" is one, though it has three bytes.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

void print_table(std::vector<std::vector<std::string>> rows) {
  for (auto& row : rows)
    for (std::string& cell : row) cell = printable(cell);
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - width_of(row[i]), ' ');
      line += i < 2 ? row[i] + pad + "  " : pad + row[i] + "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::printf("%s\n", line.c_str());
  }
}

void compare(const std::vector<std::string>& folders, const std::string& html) {
  std::vector<RunRecord> runs;
  for (const std::string& folder : folders) runs.push_back(read_run(folder));
  print_table(run_table(runs));
  if (const std::string note = perturbed_note(runs); !note.empty()) std::printf("%s\n", note.c_str());
  if (const auto differences = settings_that_differ(runs); !differences.empty()) {
    std::printf("\nsettings that differ\n");
    print_table(differences);
  }
  if (html.empty()) return;
  write_file_atomically(html, report_html(runs));
  std::printf("\npictures in %s\n", html.c_str());
}

}  // namespace

void add_compare(CLI::App& app, const Family&) {
  auto folders = std::make_shared<std::vector<std::string>>();
  auto html = std::make_shared<std::string>();
  CLI::App* verb = app.add_subcommand("compare", "Runs side by side: figures, settings that differ, pictures");
  verb->add_option("RUN", *folders, "Folders of runs")->required();
  verb->add_option("--html", *html, "Write the pictures to this file");
  verb->callback([folders, html] { compare(*folders, *html); });
}

}  // namespace lowland::apps
