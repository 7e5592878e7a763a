// lowland-easy-vqa-data EASY_VQA OUT: what easy-VQA's training questions (https://github.com/vzhou842/easy-VQA) say
// about their pictures, for pretraining. The questions themselves: apps/data/easy_vqa.sh.
//   OUT/classes/COLOUR-SHAPE/ID.png   links to the training pictures whose colour and shape the questions tell
//   OUT/captions.csv                  image,caption: the same in words
//   OUT/language.txt                  questions and answers with the picture in words, for the language model
//   OUT/turns.jsonl                   the same as prompts and completions; and each question for what is not there once
//                                     more for what is there: of eight colours seven are not, and who always says no
//                                     to "is there a red shape?" is seldom wrong and learns nothing
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/io/atomic_file.h"

namespace {

using namespace lowland;
namespace fs = std::filesystem;

struct Question {
  std::string question, answer;
  int64_t image = 0;
};

struct Scene {
  std::string colour, shape;
  bool known() const { return !colour.empty() && !shape.empty(); }
  std::string caption() const { return "a " + colour + " " + shape; }
};

// [[question, answer, image], ...]
std::vector<Question> read_questions(const fs::path& file) {
  std::ifstream in(file);
  LL_CHECK(in.good(), "{} does not exist: the folder of easy-VQA has one", file.string());
  const auto rows = nlohmann::json::parse(in, nullptr, false);
  LL_CHECK(rows.is_array(), "{} is not a JSON list", file.string());
  std::vector<Question> out;
  for (const auto& row : rows) {
    const bool fits =
        row.is_array() && row.size() == 3 && row[0].is_string() && row[1].is_string() && row[2].is_number_integer();
    LL_CHECK(fits, "{}: entry {} is not [question, answer, image]", file.string(), out.size());
    out.push_back({row[0], row[1], row[2]});
  }
  return out;
}

const std::set<std::string> kColours{"black", "blue", "brown", "gray", "green", "red", "teal", "yellow"};
const std::set<std::string> kShapes{"circle", "rectangle", "triangle"};

std::vector<std::string> words_of(const std::string& question) {
  std::istringstream in(question.substr(0, question.find('?')));
  return {std::istream_iterator<std::string>(in), {}};
}

// What a train question tells of its picture: the answer to "what ...", and whatever word the question takes for
// granted or the answer affirms ("is there not a teal shape?" "no").
void learn(Scene& scene, const Question& q) {
  const auto note = [&](const std::string& word) {
    if (kShapes.contains(word)) scene.shape = word;
    if (kColours.contains(word)) scene.colour = word;
  };
  const std::vector<std::string> words = words_of(q.question);
  const auto has = [&](const char* word) { return std::find(words.begin(), words.end(), word) != words.end(); };
  const bool open = q.answer != "yes" && q.answer != "no";
  if (open) note(q.answer);
  if (open || (q.answer == "yes") != (has("not") || has("no"))) std::for_each(words.begin(), words.end(), note);
}

std::map<int64_t, Scene> scenes_of(const std::vector<Question>& questions) {
  std::map<int64_t, Scene> scenes;
  for (const Question& q : questions) learn(scenes[q.image], q);
  return scenes;
}

// "is there a red shape?" about a blue circle: "is there a blue shape?", and the other answer. Empty where the question
// is of no such kind.
Question of_what_is_there(const Scene& scene, const Question& q) {
  if (q.answer != "yes" && q.answer != "no") return {};
  Question out{"", q.answer == "yes" ? "no" : "yes", q.image};
  bool changed = false;
  for (const std::string& word : words_of(q.question)) {
    const std::string& own = kColours.contains(word) ? scene.colour : kShapes.contains(word) ? scene.shape : word;
    changed = changed || own != word;
    out.question += (out.question.empty() ? "" : " ") + own;
  }
  out.question += "?";
  return changed ? out : Question{};
}

// Both files of the language model.
struct Turns {
  std::string text, jsonl;

  void add_prompt(const Scene& scene, const std::string& question, const std::string& answer) {
    jsonl += nlohmann::ordered_json{{"prompt", prompt(scene, question)}, {"completion", " " + answer}}.dump() + "\n";
  }
  void add(const Scene& scene, const std::string& question, const std::string& answer) {
    text += prompt(scene, question) + " " + answer + "\n\n";
    add_prompt(scene, question, answer);
  }
  static std::string prompt(const Scene& scene, const std::string& question) {
    return "USER: " + scene.caption() + "\n" + question + " ASSISTANT:";
  }
};

void write(const fs::path& given, const fs::path& out) {
  const fs::path root = fs::absolute(given);
  const std::vector<Question> questions = read_questions(root / "train/questions.json");
  const std::map<int64_t, Scene> scenes = scenes_of(questions);
  fs::remove_all(out / "classes");
  std::string captions = "image,caption\n";
  Turns turns;
  std::set<std::string> classes;
  int64_t known = 0;
  for (const auto& [id, scene] : scenes) {
    if (!scene.known()) continue;
    const std::string name = std::to_string(id) + ".png", kind = scene.colour + "-" + scene.shape;
    fs::create_directories(out / "classes" / kind);
    fs::create_symlink(root / "train/images" / name, out / "classes" / kind / name);
    captions += "train/images/" + name + "," + scene.caption() + "\n";
    turns.add(scene, "what is this?", scene.caption());
    classes.insert(kind);
    ++known;
  }
  for (const Question& q : questions) {
    const Scene& scene = scenes.at(q.image);
    if (!scene.known()) continue;
    turns.add(scene, q.question, q.answer);
    if (const Question other = of_what_is_there(scene, q); !other.question.empty())
      turns.add_prompt(scene, other.question, other.answer);
  }
  write_file_atomically((out / "captions.csv").string(), captions);
  write_file_atomically((out / "language.txt").string(), turns.text);
  write_file_atomically((out / "turns.jsonl").string(), turns.jsonl);
  std::printf("%lld of %zu training pictures are in classes, %zu of them\n", static_cast<long long>(known),
              scenes.size(), classes.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "error: two arguments, the folder of easy-VQA and the folder to write\n");
    return 1;
  }
  try {
    write(argv[1], argv[2]);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
