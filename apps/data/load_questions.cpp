#include "apps/data/load_questions.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "apps/data/hold_out.h"
#include "apps/data/picture_files.h"
#include "apps/data/question_files.h"
#include "engine/error.h"

namespace lowland {
namespace {

namespace fs = std::filesystem;

// All that tells one task from another.
struct QuestionTask {
  const char* name;
  // Of a published folder: the questions of split train, val or test. Without: the task reads files of one's own.
  std::vector<Question> (*read_split)(const QuestionTask&, const QuestionOptions&, const std::string& split) = nullptr;
  // Of a single file. Without: questions come from the folder only.
  std::vector<Question> (*read_file)(const std::string& file, const std::string& images, const std::string& instruction,
                                     const Columns& columns) = nullptr;
  const char* instruction = "";  // behind each question
  const char* metric = "";       // empty: by the answers
};

std::vector<Question> read_scienceqa_folder(const QuestionTask& task, const QuestionOptions& o,
                                            const std::string& split) {
  return read_scienceqa({.folder = o.data,
                         .images = o.images,
                         .format = o.scienceqa,
                         .instruction = o.instruction.value_or(task.instruction)},
                        split);
}

std::vector<Question> read_vizwiz_folder(const QuestionTask& task, const QuestionOptions& o, const std::string& split) {
  const fs::path data = o.data;
  fs::path file = data / (split + ".json");
  for (const char* folder : {"annotations", "Annotations"}) {
    if (!fs::exists(file)) file = data / folder / (split + ".json");
  }
  LL_CHECK(fs::exists(file), "{} has no {}.json, in itself or in annotations/", o.data, split);
  fs::path images = o.images;
  if (o.images.empty()) {
    images = data / split;
    for (const fs::path& other : {data / "images" / split, data / "images"})
      if (!fs::is_directory(images)) images = other;
  }
  return task.read_file(file.string(), images.string(), o.instruction.value_or(task.instruction), o.columns);
}

// docs/pictures.md is compared with these rows.
constexpr QuestionTask kTasks[] = {
    {.name = "scienceqa", .read_split = read_scienceqa_folder, .instruction = kScienceQaInstruction},
    {.name = "vizwiz",
     .read_split = read_vizwiz_folder,
     .read_file = read_vqa,
     .instruction = "When the provided information is insufficient, respond with 'Unanswerable'.\n"
                    "Answer the question using a single word or phrase.",  // as LLaVA asks
     .metric = "vqa_accuracy"},
    {.name = "vqa", .read_file = read_vqa},
    {.name = "llava", .read_file = read_llava, .metric = "loss"},
    {.name = "captions", .read_file = read_captions, .metric = "loss"},
};

const QuestionTask& find_task(const std::string& name) {
  for (const QuestionTask& task : kTasks) {
    if (name == task.name) return task;
  }
  fail("task {} is none of {}", name, fmt::join(question_tasks(), ", "));
}

std::vector<Question> read_one(const QuestionTask& task, const QuestionOptions& o, const std::string& file) {
  LL_CHECK(task.read_file, "{}: the questions of task {} are a folder, of which --split is answered", file, task.name);
  const std::string images = o.images.empty() ? fs::path(file).parent_path().string() : o.images;
  return task.read_file(file, images, o.instruction.value_or(task.instruction), o.columns);
}

// split: train, val or test.
std::vector<Question> read_split(const QuestionTask& task, const QuestionOptions& o, const std::string& split) {
  if (task.read_split) return task.read_split(task, o, split);
  const std::string flag = split == "val" ? "dev" : split;
  std::vector<std::string> files = o.train_files;
  if (split != "train") files = {split == "val" ? o.dev_file : o.test_file};
  LL_CHECK(!files.empty() && !files[0].empty(), "--{} names the file of questions of task {}, and is missing", flag,
           task.name);
  std::vector<Question> out;
  for (const std::string& file : files) {
    for (Question& q : read_one(task, o, file)) out.push_back(std::move(q));
  }
  return out;
}

void check_pictures(QuestionSplit& split, const QuestionOptions& o) {
  int64_t index = 0;
  for (Question& q : split.questions) q.index = index++;
  if (!o.skip_bad_images) {
    std::set<std::string> seen;
    for (const Question& q : split.questions) {
      for (const std::string& file : q.images)
        if (seen.insert(file).second) check_picture_exists(file, q.where);
    }
    return;
  }
  std::vector<std::string> files;
  for (const Question& q : split.questions) files.insert(files.end(), q.images.begin(), q.images.end());
  const auto bad = unreadable_pictures(std::move(files), o.threads);
  std::string first;
  const auto is_bad = [&](const Question& q) {
    for (const std::string& file : q.images) {
      const auto at = bad.find(file);
      if (at == bad.end()) continue;
      if (first.empty()) first = q.where + ": " + at->second;
      return true;
    }
    return false;
  };
  split.skipped = std::erase_if(split.questions, is_bad);
  if (split.skipped > 0)
    split.skip_reason = fmt::format("{} {} no readable picture (first: {})", split.skipped,
                                    split.skipped == 1 ? "question has" : "questions have", first);
  LL_CHECK(!split.questions.empty(), "no question is left: {}", split.skip_reason);
}

void check_labels(const QuestionSplit& split, bool needed) {
  for (const Question& q : split.questions) {
    LL_CHECK(q.labelled() == split.labelled(), "{}: some questions have an answer and some do not", q.where);
    LL_CHECK(q.labelled() || !needed, "{}: there is no answer to learn from", q.where);
  }
}

std::string metric_of(const QuestionTask& task, const QuestionSet& set) {
  if (*task.metric != 0) return task.metric;
  bool choices = false, several = false;
  for (const QuestionSplit* split : {&set.train, &set.dev, &set.test}) {
    for (const Question& q : split->questions) {
      choices = choices || !q.choices.empty();
      several = several || q.answers.size() > 1;
    }
  }
  return choices ? "accuracy" : several ? "vqa_accuracy" : "exact_match";
}

}  // namespace

std::vector<std::string> question_tasks() {
  std::vector<std::string> names;
  for (const QuestionTask& task : kTasks) names.emplace_back(task.name);
  return names;
}

std::string question_task_help() {
  std::vector<std::string> files, folders;
  for (const QuestionTask& task : kTasks) (task.read_split ? folders : files).emplace_back(task.name);
  return fmt::format("{}: your files; {}: --data", fmt::join(files, ", "), fmt::join(folders, ", "));
}

QuestionSplit load_question_file(const std::string& task, const std::string& file, const QuestionOptions& o) {
  QuestionSplit split;
  split.questions = read_one(find_task(task), o, file);
  LL_CHECK(!split.questions.empty(), "{}: there is no question", file);
  check_labels(split, false);
  check_pictures(split, o);
  return split;
}

QuestionSet load_questions(const std::string& name, const QuestionOptions& o) {
  const QuestionTask& task = find_task(name);
  const bool folder = task.read_split != nullptr;
  LL_CHECK(!folder || !o.data.empty(), "--data names the folder of task {}, and is missing", name);
  const bool carve = !folder && o.dev_file.empty() && (o.train || o.dev);
  const bool has_train = !o.train_files.empty() && !o.train_files[0].empty();
  LL_CHECK(!carve || o.train || has_train,
           "--dev names the file to evaluate on, and is missing, as is --train to hold a part of it out{}",
           o.test_file.empty() ? "" : "; for --test say --split test");
  QuestionSet set;
  if (o.train || carve) set.train.questions = read_split(task, o, "train");
  if (carve)
    set.dev.questions = hold_out(set.train.questions, o.dev_fraction, o.seed,
                                 [](const Question& q) { return q.images.empty() ? std::string() : q.images.front(); });
  if (o.dev && !carve) set.dev.questions = read_split(task, o, "val");
  if (o.test) set.test.questions = read_split(task, o, "test");
  if (!o.train) set.train = {};
  if (!o.dev) set.dev = {};
  keep_first(set.train.questions, o.max_train_samples);
  for (QuestionSplit* split : {&set.dev, &set.test}) keep_first(split->questions, o.max_eval_samples);
  for (QuestionSplit* split : {&set.train, &set.dev, &set.test}) {
    check_labels(*split, split == &set.train);
    if (!split->questions.empty()) check_pictures(*split, o);
  }
  set.metric = metric_of(task, set);
  return set;
}

}  // namespace lowland
