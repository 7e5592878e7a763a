#include "apps/data/load_questions.h"

#include <fstream>
#include <set>
#include <sstream>

#include "apps/data/picture_files.h"
#include "tests/data/temp_folder.h"

using namespace lowland;
using namespace lowland::test;

namespace {

std::string picture_bytes() {
  std::ifstream file(LL_SOURCE_DIR "/tests/golden/images/rgb.jpg", std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// n questions about each of m pictures.
std::string questions(int pictures, int each) {
  std::string out;
  for (int p = 0; p < pictures; ++p)
    for (int i = 0; i < each; ++i)
      out += fmt::format("{{\"image\": \"{}.jpg\", \"question\": \"q{}\", \"answer\": \"a\"}}\n", p, i);
  return out;
}

}  // namespace

TEST_CASE("load questions: a held-out share keeps questions about a picture together") {
  const TempFolder folder;
  for (int p = 0; p < 20; ++p) folder.write(fmt::format("{}.jpg", p), picture_bytes());
  QuestionOptions options;
  options.train_files = {folder.write("train.jsonl", questions(20, 3))};
  const QuestionSet set = load_questions("vqa", options);
  CHECK(set.train.questions.size() == 54);
  CHECK(set.dev.questions.size() == 6);
  CHECK(set.metric == "exact_match");
  std::set<std::string> learnt;
  for (const Question& q : set.train.questions) learnt.insert(q.images[0]);
  for (const Question& q : set.dev.questions) CHECK(!learnt.contains(q.images[0]));
  options.train = false;
  CHECK(load_questions("vqa", options).dev.questions.size() == 6);
  CHECK(load_questions("vqa", options).train.questions.empty());
  options.train = true;
  options.seed = 43;
  CHECK(load_questions("vqa", options).dev.questions[0].images != set.dev.questions[0].images);
  options.max_train_samples = 5;
  options.max_eval_samples = 2;
  CHECK(load_questions("vqa", options).train.questions.size() == 5);
  CHECK(load_questions("vqa", options).dev.questions.size() == 2);
  options.test = true;
  CHECK(contains(error_of([&] { load_questions("vqa", options); }), "--test names the file of questions"));
  CHECK(contains(error_of([&] { load_questions("gqa", options); }), "task gqa is none of scienceqa, vizwiz, vqa"));
  CHECK(contains(error_of([&] { load_question_file("gqa", options.train_files[0], options); }), "task gqa is none of"));
  CHECK(question_task_help() == "vqa, llava, captions: your files; scienceqa, vizwiz: --data");
}

TEST_CASE("load questions: a missing picture is an error with its place, or skipped and counted when asked") {
  const TempFolder folder;
  folder.write("0.jpg", picture_bytes());
  folder.write("1.jpg", picture_bytes().substr(0, 700));
  QuestionOptions options;
  options.dev = false;
  options.dev_fraction = 0;
  options.train_files = {folder.write("train.jsonl", questions(3, 2))};
  CHECK(contains(error_of([&] { load_questions("vqa", options); }), "train.jsonl:5: the picture"));
  CHECK(contains(error_of([&] { read_picture(folder.path("1.jpg"), "train.jsonl:3"); }),
                 "train.jsonl:3: " + folder.path("1.jpg") + " is a damaged JPEG file"));
  options.skip_bad_images = true;
  const QuestionSplit train = load_questions("vqa", options).train;
  CHECK(train.questions.size() == 2);
  CHECK(train.skipped == 4);
  CHECK(contains(train.skip_reason, "4 questions have no readable picture (first: "));
  CHECK(contains(train.skip_reason, "train.jsonl:3: "));
  CHECK(contains(train.skip_reason, "damaged JPEG"));
  options.images = folder.path("nowhere");
  CHECK(contains(error_of([&] { load_questions("vqa", options); }), "no question is left: 6 questions"));
}

TEST_CASE("load questions: vizwiz's folder, ten answers, and a test split without") {
  const TempFolder folder;
  const std::string answers = R"([{"answer": "blue", "answer_confidence": "yes"}, {"answer": "unanswerable"},
                                  {"answer": "blue"}])";
  const auto record = [&](const char* image, const std::string& tail) {
    return fmt::format(R"([{{"image": "{}", "question": "What colour?"{}}}])", image, tail);
  };
  folder.write("annotations/train.json", record("a.jpg", ", \"answers\": " + answers + ", \"answerable\": 1"));
  folder.write("annotations/val.json", record("b.jpg", ", \"answers\": " + answers));
  folder.write("annotations/test.json", record("c.jpg", ""));
  folder.write("train/a.jpg", picture_bytes());
  folder.write("val/b.jpg", picture_bytes());
  folder.write("test/c.jpg", picture_bytes());
  QuestionOptions options;
  options.data = folder.path();
  options.test = true;
  const QuestionSet set = load_questions("vizwiz", options);
  CHECK(set.metric == "vqa_accuracy");
  CHECK(set.train.questions.at(0).messages.at(0).content ==
        "<image>\nWhat colour?\nWhen the provided information is insufficient, respond with 'Unanswerable'.\n"
        "Answer the question using a single word or phrase.");
  CHECK(set.train.questions[0].messages.at(1).content == "blue");
  CHECK(set.dev.questions.at(0).answers.size() == 3);
  CHECK(!set.test.labelled());
  CHECK(set.test.questions.at(0).images.at(0) == folder.path("test/c.jpg"));
  options.instruction = "";
  CHECK(load_questions("vizwiz", options).dev.questions[0].messages[0].content == "<image>\nWhat colour?");
  std::filesystem::remove(folder.path("annotations/val.json"));
  CHECK(contains(error_of([&] { load_questions("vizwiz", options); }), "has no val.json, in itself or in annot"));
  options.data = "";
  CHECK(contains(error_of([&] { load_questions("vizwiz", options); }), "--data names the folder of task vizwiz"));
}

TEST_CASE("load questions: labels must be there, or nowhere") {
  const TempFolder folder;
  QuestionOptions options;
  options.dev = false;
  options.dev_fraction = 0;
  options.train_files = {folder.write("a.jsonl", "{\"question\": \"q\", \"answer\": \"a\"}\n{\"question\": \"q\"}\n")};
  CHECK(contains(error_of([&] { load_questions("vqa", options); }), "a.jsonl:2: some questions have an answer"));
  options.train_files = {folder.write("b.jsonl", "{\"question\": \"q\"}\n")};
  CHECK(contains(error_of([&] { load_questions("vqa", options); }), "b.jsonl:1: there is no answer to learn from"));
  options.train_files = {folder.write("c.jsonl", R"({"question": "q", "answer": "a", "choices": ["a", "b"]})")};
  CHECK(load_questions("vqa", options).metric == "accuracy");
  options.train_files = {folder.write("d.jsonl", R"({"question": "q", "answers": ["a", "b"]})")};
  CHECK(load_questions("vqa", options).metric == "vqa_accuracy");
}
