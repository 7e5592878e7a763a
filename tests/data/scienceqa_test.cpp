#include "apps/data/scienceqa.h"

#include "tests/data/temp_folder.h"

using namespace lowland;
using namespace lowland::test;

namespace {

const char* const kProblems = R"({
"1": {"question": "Which of these states is farthest north?",
  "choices": ["West Virginia", "Louisiana", "Arizona", "Oklahoma"], "answer": 0, "hint": "",
  "image": "image.png", "task": "closed choice", "grade": "grade2", "subject": "social science",
  "topic": "geography", "category": "Geography", "skill": "Read a map",
  "lecture": "Maps have four directions.\nNorth is up.", "solution": "Look at  the globe.", "split": "train"},
"2": {"question": "Identify the question", "choices": ["yes", "no"], "answer": 1,
  "hint": "The passage below  says so.", "image": null, "task": "closed choice", "grade": "grade11",
  "subject": "natural science", "lecture": "", "solution": "", "split": "val"},
"3": {"question": "Is it a word?", "choices": ["yes", "no", "maybe"], "answer": 2, "hint": "", "image": null,
  "grade": "grade6", "subject": "language science", "lecture": "L", "solution": "S", "split": "test"}})";
const char* const kSplits = R"({"train": ["1"], "val": ["2"], "test": ["3", "2"], "minitest": ["9"], "minival": []})";

std::string refusal(const std::string& problem) {
  const TempFolder folder;
  folder.write("problems.json", "{\"1\": " + problem + "}");
  folder.write("pid_splits.json", R"({"train": ["1"]})");
  return error_of([&] { read_scienceqa({.folder = folder.path()}, "train"); });
}

}  // namespace

TEST_CASE("scienceqa: the letter asked for, as LLaVA asks") {
  const TempFolder folder;
  folder.write("problems.json", kProblems);
  folder.write("pid_splits.json", kSplits);
  const std::string picture = folder.write("images/train/1/image.png", "x");
  const Question north = read_scienceqa({.folder = folder.path()}, "train").at(0);
  CHECK(north.messages.at(0).content ==
        "<image>\nContext: N/A\nQuestion: Which of these states is farthest north?\n"
        "Options: (A) West Virginia (B) Louisiana (C) Arizona (D) Oklahoma\n"
        "Answer with the option's letter from the given choices directly.");
  CHECK(north.messages.at(1).content == "A");
  CHECK(north.images == std::vector<std::string>{picture});
  CHECK(north.choices == std::vector<std::string>{"A", "B", "C", "D"});
  CHECK(north.choice == 0);
  CHECK(north.groups == std::vector<std::string>{"SOC", "IMG", "G1-6"});
  CHECK(north.where == folder.path("problems.json") + ": problem 1");
  const Question text = read_scienceqa({.folder = folder.path()}, "val").at(0);
  CHECK(text.messages.at(0).content ==
        "Context: The passage below says so.\nQuestion: Identify the question\nOptions: (A) yes (B) no\n"
        "Answer with the option's letter from the given choices directly.");
  CHECK(text.images.empty());
  CHECK(text.groups == std::vector<std::string>{"NAT", "TXT", "G7-12"});
  const std::vector<Question> test = read_scienceqa({.folder = folder.path()}, "test");
  REQUIRE(test.size() == 2);
  CHECK(test[0].groups == std::vector<std::string>{"LAN", "NO", "G1-6"});
  CHECK(test[1].id == "2");
}

TEST_CASE("scienceqa: lecture and solution before the answer, and pictures in other places") {
  const TempFolder folder;
  folder.write("problems.json", kProblems);
  folder.write("pid_splits.json", kSplits);
  ScienceQaFolder from{.folder = folder.path(), .format = ScienceQaFormat::lecture};
  const Question north = read_scienceqa(from, "train").at(0);
  CHECK(north.messages.at(0).content ==
        "Which of these states is farthest north?\nContext: N/A\n"
        "Options: (A) West Virginia (B) Louisiana (C) Arizona (D) Oklahoma\n<image>");
  CHECK(north.messages.at(1).content ==
        "Maps have four directions.\\nNorth is up. Look at the globe. The answer is A.");
  CHECK(read_scienceqa(from, "val").at(0).messages.at(1).content == "The answer is B.");
  from.images = folder.path("elsewhere");
  const std::string picture = folder.write("elsewhere/train/1/image.png", "x");
  CHECK(read_scienceqa(from, "train").at(0).images.at(0) == picture);
}

TEST_CASE("scienceqa: what is refused, and where") {
  const TempFolder folder;
  const std::string missing = error_of([&] { read_scienceqa({.folder = folder.path()}, "train"); });
  CHECK(contains(missing, "problems.json does not exist"));
  folder.write("problems.json", kProblems);
  folder.write("pid_splits.json", kSplits);
  const auto split_error = [&](const char* split) {
    return error_of([&] { read_scienceqa({.folder = folder.path()}, split); });
  };
  CHECK(contains(split_error("trainval"), "pid_splits.json has no list `trainval`"));
  CHECK(contains(split_error("minitest"), "`minitest` has problem 9, which"));
  CHECK(contains(split_error("minival"), "`minival` is empty"));
  CHECK(contains(refusal("3"), "problems.json: problem 1: not a JSON object"));
  CHECK(contains(refusal("{}"), "problem 1: no `question`"));
  CHECK(contains(refusal(R"({"question": "q", "choices": 4})"), "problem 1: choices is not a list"));
  CHECK(contains(refusal(R"({"question": "q", "choices": ["a", "b"]})"), "answer is not the place of a choice"));
  CHECK(contains(refusal(R"({"question": "q", "choices": ["a", "b"], "answer": 2})"),
                 "problem 1: answer 2 is not among the 2 choices, counted from 0"));
  CHECK(contains(refusal(R"({"question": "q", "choices": ["a", "b"], "answer": -1})"), "is not among"));
}
