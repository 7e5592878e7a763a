#include "apps/data/task_files.h"

#include <algorithm>
#include <filesystem>

#include "engine/error.h"

namespace fs = std::filesystem;

namespace lowland {
namespace {

struct Candidate {
  std::string file;
  FileFormat format;
};

void add_published_names(const std::string& task, SplitName split, std::vector<Candidate>& names) {
  const bool train = split == SplitName::train, test = split == SplitName::test;
  const std::string part = train ? "train" : test ? "test" : "dev";
  const bool whole = split <= SplitName::test;
  const auto add = [&](std::string file, FileFormat format) { names.push_back({std::move(file), format}); };
  if (task == "mnli") {
    const bool mm = split == SplitName::dev_mm || split == SplitName::test_mm;
    const bool of_test = test || split == SplitName::test_mm;
    const std::string half = train ? "" : mm ? "_mismatched" : "_matched";
    const std::string stem = train ? "train" : of_test ? "test" : "dev";
    if (!train) add(stem + half + ".tsv", FileFormat::glue);
    add("multinli_1.0_" + stem + half + ".txt", FileFormat::glue);
    add("multinli_1.0_" + stem + half + ".jsonl", FileFormat::jsonl);
  }
  if (!whole) return;
  if (task == "snli") {
    add("snli_1.0_" + part + ".txt", FileFormat::glue);
    add("snli_1.0_" + part + ".jsonl", FileFormat::jsonl);
  }
  if (task == "mrpc" && (train || test)) add("msr_paraphrase_" + part + ".txt", FileFormat::glue);
  if (task == "stsb") add("sts-" + part + ".tsv", FileFormat::stsb_original);
  if (task == "sst2") add("stsa.binary." + part, FileFormat::sent_conv);
  if (task == "sst5") add("stsa.fine." + part, FileFormat::sent_conv);
  if (task == "trec" && train) add("TREC.train.all", FileFormat::sent_conv);
  if (task == "trec" && test) add("TREC.test.all", FileFormat::sent_conv);
  if (task == "trec" && train) add("train_5500.label", FileFormat::sent_conv);
  if (task == "trec" && test) add("TREC_10.label", FileFormat::sent_conv);
  if (task == "mr" && train) add("rt-polarity.all", FileFormat::sent_conv);
  if (task == "subj" && train) add("subj.all", FileFormat::sent_conv);
}

std::vector<Candidate> candidates(const TaskInfo& task, SplitName split) {
  std::vector<Candidate> names;
  if (split <= SplitName::test) {
    const std::string part = split == SplitName::train ? "train" : split == SplitName::dev ? "dev" : "test";
    names.push_back({part + ".tsv", task.name == "cola" ? FileFormat::cola : FileFormat::glue});
    names.push_back({part + ".csv", FileFormat::csv});
    names.push_back({part + ".jsonl", FileFormat::jsonl});
  }
  add_published_names(task.name, split, names);
  return names;
}

// "SST-2", "sst_2" and "sst2" are one spelling.
std::string plain_name(const std::string& name) {
  std::string plain = to_lower(name);
  plain.erase(
      std::remove_if(plain.begin(), plain.end(), [](char c) { return c == '-' || c == '_' || c == '.' || c == ' '; }),
      plain.end());
  return plain;
}

// The task a folder's name stands for, empty if none.
std::string task_of_folder(const std::string& name) {
  static const std::vector<std::pair<std::string, std::string>> others = {
      {"multinli", "mnli"}, {"multinli10", "mnli"},   {"snli10", "snli"},       {"qnliv2", "qnli"},
      {"sst1", "sst5"},     {"rottentomatoes", "mr"}, {"rtpolaritydata", "mr"}, {"stsbenchmark", "stsb"}};
  const std::string plain = plain_name(name);
  for (const std::string& task : task_names()) {
    if (plain == task) return task;
  }
  for (const auto& [alias, task] : others) {
    if (plain == alias) return task;
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
  for (const Candidate& c : candidates(task, split)) {
    const fs::path path = fs::path(folder) / c.file;
    if (fs::is_regular_file(path)) return TaskFile{path.string(), c.format};
  }
  if (split != SplitName::test) return {};
  // The k-shot folders share one test file, kept beside one of the seeds.
  const fs::path full = fs::absolute(folder).lexically_normal();
  const fs::path here = full.has_filename() ? full : full.parent_path();
  if (!is_kshot(here.filename().string())) return {};
  for (const fs::path& beside : folders_in(here.parent_path())) {
    if (!is_kshot(beside.filename().string())) continue;
    for (const Candidate& c : candidates(task, split)) {
      if (fs::is_regular_file(beside / c.file)) return TaskFile{(beside / c.file).string(), c.format};
    }
  }
  return {};
}

std::string expected_files(const TaskInfo& task, SplitName split) {
  const std::vector<Candidate> all = candidates(task, split);
  std::string text;
  for (size_t i = 0; i < all.size(); ++i) text += (i == 0 ? "" : i + 1 == all.size() ? " or " : ", ") + all[i].file;
  return text;
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
