#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/common/row_writer.h"
#include "apps/common/text_table.h"
#include "apps/report/report.h"
#include "apps/verbs/verbs.h"
#include "engine/io/atomic_file.h"

namespace lowland::apps {
namespace {

void print_table(std::vector<std::vector<std::string>> rows) {
  std::printf("%s\n", text_table(std::move(rows)).c_str());
}

void compare(const std::vector<std::string>& folders, const std::string& html, const std::string& csv) {
  std::vector<RunRecord> runs;
  for (const std::string& folder : folders) runs.push_back(read_run(folder));
  print_table(run_table(runs));
  if (const std::string note = perturbed_note(runs); !note.empty()) std::printf("%s\n", note.c_str());
  if (const auto differences = settings_that_differ(runs); !differences.empty()) {
    std::printf("\nsettings that differ\n");
    print_table(differences);
  }
  if (!csv.empty()) write_file_atomically(csv, csv_text(metric_rows(runs)));
  if (html.empty()) return;
  write_file_atomically(html, report_html(runs));
  std::printf("\npictures in %s\n", html.c_str());
}

}  // namespace

void add_compare(CLI::App& app, const Family&) {
  auto folders = std::make_shared<std::vector<std::string>>();
  auto html = std::make_shared<std::string>();
  auto csv = std::make_shared<std::string>();
  CLI::App* verb = app.add_subcommand("compare", "Runs side by side: figures, settings that differ, pictures");
  verb->add_option("RUN", *folders, "Folders of runs")->required();
  verb->add_option("--html", *html, "Write the pictures to this file");
  verb->add_option("--csv", *csv, "Write what the runs logged to this file, a row each line");
  verb->callback([folders, html, csv] { compare(*folders, *html, *csv); });
}

}  // namespace lowland::apps
