#include "apps/data/task_files.h"

#include <algorithm>
#include <filesystem>

#include "engine/error.h"

namespace fs = std::filesystem;

namespace lowland {
namespace {

std::optional<TaskFile> find_in(const fs::path& folder, const TaskInfo& task, SplitName split) {
  for (const TaskFiles& files : task.files) {
    const std::string& name = files.name(split);
    if (!name.empty() && fs::is_regular_file(folder / name))
      return TaskFile{(folder / name).string(), files.format, files.positions};
  }
  return {};
}

// "SST-2", "sst_2" and "sst2" are one spelling.
std::string plain_name(const std::string& name) {
  std::string plain = to_lower(name);
  std::erase_if(plain, [](char c) { return c == '-' || c == '_' || c == '.' || c == ' '; });
  return plain;
}

// The task a folder's name stands for, empty if none.
std::string task_of_folder(const std::string& name) {
  const std::string plain = plain_name(name);
  for (const TaskInfo& task : task_table()) {
    if (plain == task.name || std::find(task.folders.begin(), task.folders.end(), plain) != task.folders.end())
      return task.name;
  }
  return "";
}

bool has_files(const TaskInfo& task, const fs::path& folder) {
  for (const SplitName split : {SplitName::train, SplitName::dev, SplitName::test}) {
    if (find_task_file(task, folder.string(), split)) return true;
  }
  return false;
}

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string names_of(const std::vector<fs::path>& paths) {
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(paths.size(), 12); ++i)
    text += (i ? ", " : "") + paths[i].filename().string();
  return text;
}

// `16-42`: examples per class and seed.
bool is_kshot(const std::string& name) {
  const size_t dash = name.find('-');
  return dash != std::string::npos && dash > 0 && dash + 1 < name.size() &&
         name.find_first_not_of("0123456789-") == std::string::npos;
}

// A GLUE reader would take SST-2's columns for CoLA's: a folder named after another task is a mistake.
void refuse_other_task(const TaskInfo& task, const fs::path& folder) {
  std::error_code ignored;
  fs::path named = fs::weakly_canonical(folder, ignored);
  if (is_kshot(named.filename().string())) named = named.parent_path();
  const std::string other = task_of_folder(named.filename().string());
  LL_CHECK(other.empty() || other == task.name, "{} is a folder of task {}, not of {}", folder.string(), other,
           task.name);
}

}  // namespace

std::optional<TaskFile> find_task_file(const TaskInfo& task, const std::string& folder, SplitName split) {
  if (auto file = find_in(folder, task, split)) return file;
  if (split != SplitName::test) return {};
  // The k-shot folders share one test file, kept beside one of the seeds.
  const fs::path full = fs::absolute(folder).lexically_normal();
  const fs::path here = full.has_filename() ? full : full.parent_path();
  if (!is_kshot(here.filename().string())) return {};
  for (const fs::path& beside : folders_in(here.parent_path())) {
    if (!is_kshot(beside.filename().string())) continue;
    if (auto file = find_in(beside, task, split)) return file;
  }
  return {};
}

std::string expected_files(const TaskInfo& task, SplitName split) {
  std::vector<std::string> names;
  for (const TaskFiles& files : task.files) {
    if (!files.name(split).empty()) names.push_back(files.name(split));
  }
  const std::string last = names.back();
  names.pop_back();
  return fmt::format("{} or {}", fmt::join(names, ", "), last);
}

std::string find_task_folder(const TaskInfo& task, const std::string& data_dir) {
  LL_CHECK(fs::exists(data_dir), "the data folder {} does not exist", data_dir);
  LL_CHECK(fs::is_directory(data_dir), "{} is a file; give task {} the folder it is in, or use task text", data_dir,
           task.name);
  if (has_files(task, data_dir)) {
    refuse_other_task(task, data_dir);
    return data_dir;
  }
  const std::vector<fs::path> inside = folders_in(data_dir);
  for (const fs::path& folder : inside) {
    if (task_of_folder(folder.filename().string()) != task.name) continue;
    if (has_files(task, folder)) return folder.string();
    const std::vector<fs::path> deeper = folders_in(folder);
    LL_CHECK(deeper.empty(), "{} holds no {} files but the folders {}; give one of them", folder.string(), task.name,
             names_of(deeper));
  }
  const bool kshot = !inside.empty() && is_kshot(inside.front().filename().string());
  LL_CHECK(!kshot, "{} holds the folders {}; give one of them", data_dir, names_of(inside));
  fail("{} holds no data of task {}: neither {} nor a folder named after the task", data_dir, task.name,
       expected_files(task, SplitName::train));
}

}  // namespace lowland
