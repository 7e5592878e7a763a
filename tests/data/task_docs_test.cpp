// What the documentation says of tasks is what the tables say. A failure prints the row that the page should have.
#include <algorithm>

#include "apps/data/load_questions.h"
#include "apps/data/task.h"
#include "apps/data/text_file.h"
#include "apps/objectives/prompt.h"
#include "tests/data/temp_folder.h"

using namespace lowland;
using namespace lowland::test;

namespace {

// Lines of a table whose first cell is `code`, in docs/FILE.
std::vector<std::string> rows_of(const std::string& file) {
  LineReader in(LL_SOURCE_DIR "/docs/" + file);
  std::vector<std::string> out;
  for (std::string line; in.next(line);)
    if (line.starts_with("| `")) out.push_back(line);
  return out;
}

std::string row_of(const TaskInfo& task) {
  std::string columns = "`" + task.text_column + "`, ", metrics, files;
  if (task.pair) columns += "`" + task.pair_column + "`, ";
  columns += "`" + task.label_column + "`";
  for (const std::string& metric : task.metrics)
    metrics += (metrics.empty() ? "" : ", ") + (metric == task.primary_metric ? "**" + metric + "**" : metric);
  for (const TaskFiles& published : task.files) {
    const std::string& name = published.train.empty() ? published.dev : published.train;
    if (!name.starts_with("train.")) files += (files.empty() ? "`" : ", `") + name + "`";
  }
  return fmt::format("| `{}` | {} | {} | {} | {} | {} |", task.name, task.about, columns, task.describe_labels(),
                     metrics, files.empty() ? "-" : files);
}

}  // namespace

TEST_CASE("docs: tasks.md has a row for each task, and says what the table says") {
  std::vector<std::string> rows = rows_of("tasks.md");
  // The page's other table, of templates, has fewer columns.
  std::erase_if(rows, [](const std::string& row) { return std::count(row.begin(), row.end(), '|') != 7; });
  const std::vector<TaskInfo>& tasks = task_table();
  for (size_t i = 0; i < std::max(rows.size(), tasks.size()); ++i)
    CHECK((i < rows.size() ? rows[i] : "no row") == (i < tasks.size() ? row_of(tasks[i]) : "no task"));
}

TEST_CASE("docs: tasks.md has the template and the words of each task that has one") {
  std::map<std::string, std::string> told;  // by task
  std::string text;
  for (const std::string& row : rows_of("tasks.md")) {
    if (std::count(row.begin(), row.end(), '|') != 4) continue;
    std::vector<std::string> cells;  // names, template, words
    for (size_t begin = 2; cells.size() < 3; begin = row.find(" | ", begin) + 3)
      cells.push_back(row.substr(begin, row.find(" |", begin) - begin));
    if (cells[1] != "the same") text = cells[1];
    for (size_t at = 0; at < cells[0].size(); at = cells[0].find('`', at + 1) + 3)
      told[cells[0].substr(at + 1, cells[0].find('`', at + 1) - at - 1)] = text + " " + cells[2];
  }
  std::map<std::string, std::string> known;
  for (const TaskInfo& task : task_table()) {
    try {
      const apps::PromptText prompt = apps::prompt_of(apps::kTaskPrompt, "", task);
      known[task.name] = fmt::format("`{}` {}", prompt.text, fmt::join(prompt.words, ", "));
    } catch (const Error&) {}  // it has none
  }
  CHECK(known.size() == 12);
  CHECK(told == known);
}

TEST_CASE("docs: pictures.md has a row for each task of questions") {
  std::vector<std::string> listed;
  for (const std::string& row : rows_of("pictures.md")) listed.push_back(row.substr(3, row.find('`', 3) - 3));
  std::vector<std::string> tasks = question_tasks();
  std::sort(listed.begin(), listed.end());
  std::sort(tasks.begin(), tasks.end());
  CHECK(fmt::format("{}", fmt::join(listed, " ")) == fmt::format("{}", fmt::join(tasks, " ")));
}
