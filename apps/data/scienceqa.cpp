#include "apps/data/scienceqa.h"

#include <filesystem>
#include <optional>

#include <nlohmann/json.hpp>

#include "apps/data/json_records.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/chat/strip.h"
#include "models/hub/json_keys.h"

namespace lowland {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json object_in(const fs::path& file) {
  LL_CHECK(fs::exists(file), "{} does not exist: ScienceQA is a folder with problems.json and pid_splits.json",
           file.string());
  json out = parse_json<json>(read_file(file.string()), file.string());
  LL_CHECK(out.is_object(), "{} is not a JSON object", file.string());
  return out;
}

struct Problem {
  std::string question, hint, lecture, solution, subject, image, split;
  std::vector<std::string> choices;
  int64_t answer = 0, grade = 0;
};

std::string optional_text(const json& p, const char* key, const std::string& where) {
  return p.contains(key) && !p.at(key).is_null() ? text_of(p, key, where) : "";
}

Problem problem_of(const json& p, const std::string& where) {
  LL_CHECK(p.is_object(), "{}: not a JSON object", where);
  Problem out;
  out.question = text_of(p, "question", where);
  out.hint = optional_text(p, "hint", where);
  out.lecture = optional_text(p, "lecture", where);
  out.solution = optional_text(p, "solution", where);
  out.subject = optional_text(p, "subject", where);
  out.image = optional_text(p, "image", where);
  out.split = optional_text(p, "split", where);
  const std::string grade = optional_text(p, "grade", where);  // "grade7"
  if (grade.starts_with("grade")) out.grade = std::atoi(grade.c_str() + 5);
  LL_CHECK(p.contains("choices") && p.at("choices").is_array() && p.at("choices").size() <= 26,
           "{}: choices is not a list of at most 26 texts", where);
  for (const json& choice : p.at("choices")) out.choices.push_back(text_or_number(choice, "choices", where));
  LL_CHECK(p.contains("answer") && p.at("answer").is_number_integer(), "{}: answer is not the place of a choice",
           where);
  out.answer = p.at("answer").get<int64_t>();
  LL_CHECK(out.answer >= 0 && out.answer < std::ssize(out.choices),
           "{}: answer {} is not among the {} choices, counted from 0", where, out.answer, out.choices.size());
  return out;
}

std::vector<std::string> groups_of(const Problem& p) {
  std::vector<std::string> out;
  if (p.subject == "natural science") out.push_back("NAT");
  if (p.subject == "social science") out.push_back("SOC");
  if (p.subject == "language science") out.push_back("LAN");
  if (!p.hint.empty()) out.push_back("TXT");
  if (!p.image.empty()) out.push_back("IMG");
  if (p.hint.empty() && p.image.empty()) out.push_back("NO");
  if (p.grade >= 1 && p.grade <= 6) out.push_back("G1-6");
  if (p.grade >= 7 && p.grade <= 12) out.push_back("G7-12");
  return out;
}

std::string letter(size_t choice) { return std::string(1, static_cast<char>('A' + choice)); }

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

std::string on_one_line(std::string text) {
  replace_all(text, "\n", "\\n");
  return text;
}

void write_texts(const ScienceQaFolder& from, const Problem& p, Question& q) {
  std::string options, context(strip(p.hint));
  if (context.empty()) context = "N/A";
  for (size_t i = 0; i < p.choices.size(); ++i)
    options += fmt::format("{}({}) {}", i == 0 ? "" : " ", letter(i), p.choices[i]);
  const bool lecture = from.format == ScienceQaFormat::lecture;
  std::string asked = lecture ? fmt::format("{}\nContext: {}\nOptions: {}", p.question, context, options)
                              : fmt::format("Context: {}\nQuestion: {}\nOptions: {}", context, p.question, options);
  replace_all(asked, "  ", " ");
  asked = std::string(strip(asked));
  for (size_t i = 0; i < p.choices.size(); ++i)
    q.choices.push_back(lecture ? fmt::format("The answer is {}.", letter(i)) : letter(i));
  q.choice = p.answer;
  q.answers = {q.choices[p.answer]};
  std::string answer = q.answers[0];
  if (lecture) {
    answer = fmt::format("{} {} {}", on_one_line(p.lecture), on_one_line(p.solution), answer);
    replace_all(answer, "  ", " ");
    if (!q.images.empty()) asked += "\n<image>";
  }
  q.messages = {{"user", lecture ? asked : question_text(q.images.size(), asked, from.instruction)},
                {"assistant", std::string(strip(answer))}};
}

// The first folder that has `name` below it, or where it would be.
std::string picture_of(const ScienceQaFolder& from, const Problem& p, const std::string& id, const std::string& split) {
  const fs::path root = from.images.empty() ? from.folder : from.images;
  const std::string own = p.split.empty() ? split : p.split;
  for (const fs::path& folder : {root / "images" / own / id, root / own / id, root / "images" / id, root / id})
    if (fs::exists(folder / p.image)) return (folder / p.image).string();
  return (root / "images" / own / id / p.image).string();
}

}  // namespace

std::vector<Question> read_scienceqa(const ScienceQaFolder& from, const std::string& split) {
  const fs::path problems_file = fs::path(from.folder) / "problems.json";
  const fs::path splits_file = fs::path(from.folder) / "pid_splits.json";
  const json problems = object_in(problems_file), splits = object_in(splits_file);
  LL_CHECK(splits.contains(split) && splits.at(split).is_array(), "{} has no list `{}`", splits_file.string(), split);
  std::vector<Question> out;
  for (const json& item : splits.at(split)) {
    const std::string id = text_or_number(item, split.c_str(), splits_file.string());
    LL_CHECK(problems.contains(id), "{}: `{}` has problem {}, which {} has not", splits_file.string(), split, id,
             problems_file.string());
    Question q;
    q.where = fmt::format("{}: problem {}", problems_file.string(), id);
    q.id = id;
    const Problem p = problem_of(problems.at(id), q.where);
    if (!p.image.empty()) q.images = {picture_of(from, p, id, split)};
    q.groups = groups_of(p);
    write_texts(from, p, q);
    check_question(q);
    out.push_back(std::move(q));
  }
  LL_CHECK(!out.empty(), "{}: `{}` is empty", splits_file.string(), split);
  return out;
}

}  // namespace lowland
