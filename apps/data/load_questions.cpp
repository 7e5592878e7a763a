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

// As LLaVA asks VizWiz's questions.
const char* const kVizWizInstruction =
    "When the provided information is insufficient, respond with 'Unanswerable'.\n"
    "Answer the question using a single word or phrase.";

std::vector<Question> read_vizwiz(const QuestionOptions& o, const std::string& split) {
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
  return read_vqa(file.string(), images.string(), o.instruction.value_or(kVizWizInstruction));
}

std::vector<Question> read_one(const std::string& task, const QuestionOptions& o, const std::string& file) {
  const std::string folder = o.images.empty() ? fs::path(file).parent_path().string() : o.images;
  if (task == "vqa") return read_vqa(file, folder, o.instruction.value_or(""));
  if (task == "vizwiz") return read_vqa(file, folder, o.instruction.value_or(kVizWizInstruction));
  if (task == "llava") return read_llava(file, folder);
  return read_captions(file, folder, o.instruction.value_or(""));
}

// split: train, val or test.
std::vector<Question> read_split(const std::string& task, const QuestionOptions& o, const std::string& split) {
  if (task == "scienceqa") {
    ScienceQaFolder from{.folder = o.data, .images = o.images, .format = o.scienceqa};
    if (o.instruction) from.instruction = *o.instruction;
    return read_scienceqa(from, split);
  }
  if (task == "vizwiz") return read_vizwiz(o, split);
  const std::string flag = split == "val" ? "dev" : split;
  std::vector<std::string> files = o.train_files;
  if (split != "train") files = {split == "val" ? o.dev_file : o.test_file};
  LL_CHECK(!files.empty() && !files[0].empty(), "--{} names the file of questions of task {}, and is missing", flag,
           task);
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
  std::vector<std::string> files, kept;
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
  split.skipped = static_cast<int64_t>(std::erase_if(split.questions, is_bad));
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

void keep_first(std::vector<Question>& questions, int64_t most) {
  LL_CHECK(most >= 0, "--max-train-samples and --max-eval-samples must be at least 0");
  if (most > 0 && static_cast<int64_t>(questions.size()) > most) questions.resize(static_cast<size_t>(most));
}

std::string metric_of(const std::string& task, const QuestionSet& set) {
  if (task == "llava" || task == "captions") return "loss";
  if (task == "vizwiz") return "vqa_accuracy";
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

const std::vector<std::string>& question_tasks() {
  static const std::vector<std::string> tasks{"scienceqa", "vizwiz", "vqa", "llava", "captions"};
  return tasks;
}

QuestionSplit load_question_file(const std::string& task, const std::string& file, const QuestionOptions& o) {
  LL_CHECK(task != "scienceqa", "{}: the questions of task scienceqa are a folder, of which --split is answered", file);
  QuestionSplit split;
  split.questions = read_one(task, o, file);
  LL_CHECK(!split.questions.empty(), "{}: there is no question", file);
  check_labels(split, false);
  check_pictures(split, o);
  return split;
}

QuestionSet load_questions(const std::string& task, const QuestionOptions& o) {
  const auto& tasks = question_tasks();
  LL_CHECK(std::find(tasks.begin(), tasks.end(), task) != tasks.end(), "task {} is none of {}", task,
           fmt::join(tasks, ", "));
  const bool folder = task == "scienceqa" || task == "vizwiz";
  LL_CHECK(!folder || !o.data.empty(), "--data names the folder of task {}, and is missing", task);
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
