// The questions of a run, by task:
//   scienceqa   `data` is its folder: scienceqa.h; dev is `val`
//   vizwiz      `data` is its folder: [annotations/|Annotations/]train.json, val.json, test.json, of the shape of vqa;
//               the pictures lie in SPLIT/, images/SPLIT/ or images/
//   vqa llava captions      one file per split: question_files.h
// Where there is no dev file, a share of train is held out by the seed; questions about the same picture stay together.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "apps/data/columns.h"
#include "apps/data/question.h"
#include "apps/data/scienceqa.h"

namespace lowland {

struct QuestionOptions {
  bool train = true, dev = true, test = false;  // what to load; asking for what is not there is an error
  std::string data;                             // folder of scienceqa and vizwiz
  std::vector<std::string> train_files;         // of the other tasks
  std::string dev_file, test_file;
  std::string images;                      // folder of the pictures; empty: beside the file
  Columns columns;                         // of files of one's own: question_columns
  std::optional<std::string> instruction;  // behind each question, instead of the task's own
  ScienceQaFormat scienceqa = ScienceQaFormat::letter;
  double dev_fraction = 0.1;
  uint64_t seed = 42;
  int64_t max_train_samples = 0, max_eval_samples = 0;  // the first so many; 0: all
  bool skip_bad_images = false;  // leave out questions whose picture is missing or damaged; reads every picture
  int threads = 1;               // that read them
};

struct QuestionSplit {
  std::vector<Question> questions;
  int64_t skipped = 0;
  std::string skip_reason;  // "2 questions have no readable picture (first: FILE:7: ...)"
  bool labelled() const { return !questions.empty() && questions.front().labelled(); }
};

struct QuestionSet {
  QuestionSplit train, dev, test;
  // accuracy (multiple choice), vqa_accuracy (several answers), exact_match, or loss (llava, captions)
  std::string metric;
};

std::vector<std::string> question_tasks();
// Of --task: "vqa, llava, captions: your files; scienceqa, vizwiz: --data".
std::string question_task_help();
// Error, naming the place: what the readers refuse; a missing picture; a split of which some have an answer and some
// not; a train split without answers.
QuestionSet load_questions(const std::string& task, const QuestionOptions& options);
// One file of questions with or without answers, asked as the task asks them: vizwiz's have the shape of vqa's.
QuestionSplit load_question_file(const std::string& task, const std::string& file, const QuestionOptions& options);

}  // namespace lowland
