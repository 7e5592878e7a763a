#include "apps/data/question_files.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/data/json_messages.h"
#include "apps/data/json_records.h"
#include "apps/data/records.h"
#include "engine/error.h"

namespace lowland {
namespace {

using nlohmann::ordered_json;

bool given(const ordered_json& record, const char* key) { return record.contains(key) && !record.at(key).is_null(); }

// Of "image": a file or a list of files.
std::vector<std::string> images_of(const ordered_json& record, const std::string& folder, const std::string& where) {
  std::vector<std::string> out;
  if (!given(record, "image")) {
    for (const char* other : {"images", "img", "image_path", "image_file", "image_name", "image_id"})
      LL_CHECK(!given(record, other), "{}: there is `{}`, but the key of a picture's file is `image`", where, other);
    return out;
  }
  const ordered_json& value = record.at("image");
  const auto add = [&](const ordered_json& name) {
    LL_CHECK(name.is_string() && !name.get_ref<const std::string&>().empty(), "{}: image is not the name of a file",
             where);
    out.push_back((std::filesystem::path(folder) / name.get<std::string>()).string());
  };
  if (value.is_array()) {
    for (const ordered_json& name : value) add(name);
  } else {
    add(value);
  }
  return out;
}

std::string id_of(const ordered_json& record, const std::string& where) {
  for (const char* key : {"id", "question_id"}) {
    if (given(record, key)) return text_or_number(record.at(key), key, where);
  }
  return "";
}

// Without texts.
Question question_of(const ordered_json& record, const std::string& folder, const std::string& where) {
  Question q;
  q.where = where;
  q.id = id_of(record, where);
  q.images = images_of(record, folder, where);
  return q;
}

std::vector<std::string> answers_of(const ordered_json& record, const std::string& where) {
  std::vector<std::string> out;
  if (given(record, "answers")) {
    const ordered_json& list = record.at("answers");
    LL_CHECK(list.is_array() && !list.empty(), "{}: answers is not a list of texts", where);
    for (const ordered_json& item : list) {
      LL_CHECK(!item.is_object() || item.contains("answer"), "{}: one of the answers has no `answer`", where);
      out.push_back(text_or_number(item.is_object() ? item.at("answer") : item, "answers", where));
    }
  } else if (given(record, "answer")) {
    out.push_back(text_or_number(record.at("answer"), "answer", where));
    LL_CHECK(out[0].find_first_not_of(" \t\r\n") != std::string::npos,
             "{}: the answer is empty: leave the key out where there is none", where);
  }
  return out;
}

// The choices, and which is right: a text among them, or a whole number.
void read_choices(const ordered_json& record, Question& q) {
  const ordered_json& list = record.at("choices");
  LL_CHECK(list.is_array() && list.size() > 1, "{}: choices is not a list of two or more", q.where);
  for (const ordered_json& item : list) {
    std::string choice = text_or_number(item, "choices", q.where);
    LL_CHECK(std::find(q.choices.begin(), q.choices.end(), choice) == q.choices.end(),
             "{}: the choice `{}` is there twice", q.where, choice);
    q.choices.push_back(std::move(choice));
  }
  if (q.answers.empty()) return;
  LL_CHECK(q.answers.size() == 1, "{}: choices come with one answer, not {}", q.where, q.answers.size());
  const auto found = std::find(q.choices.begin(), q.choices.end(), q.answers[0]);
  if (found != q.choices.end()) {
    q.choice = found - q.choices.begin();
  } else if (record.at("answer").is_number_integer()) {
    q.choice = record.at("answer").get<int64_t>();
  }
  LL_CHECK(q.choice >= 0 && q.choice < std::ssize(q.choices), "{}: the answer `{}` is not among the choices: {}",
           q.where, q.answers[0], fmt::join(q.choices, ", "));
  q.answers[0] = q.choices[q.choice];
}

}  // namespace

std::vector<std::string> question_columns() {
  return {"image", "question", "answer", "answers", "choices", "id", "conversations", "caption"};
}

std::vector<Question> read_vqa(const std::string& file, const std::string& folder, const std::string& instruction,
                               const Columns& columns) {
  std::vector<Question> out;
  for_each_json_record(file, [&](const ordered_json& in_file, const std::string& where) {
    ordered_json record = in_file;
    columns.rename(record, where);
    Question q = question_of(record, folder, where);
    q.messages = {{"user", question_text(q.images.size(), text_of(record, "question", where), instruction)}};
    q.answers = answers_of(record, where);
    if (given(record, "choices")) read_choices(record, q);
    if (q.labelled()) q.messages.push_back({"assistant", commonest(q.answers)});
    check_question(q);
    out.push_back(std::move(q));
  });
  return out;
}

std::vector<Question> read_llava(const std::string& file, const std::string& folder, const std::string&,
                                 const Columns& columns) {
  std::vector<Question> out;
  for_each_json_record(file, [&](const ordered_json& in_file, const std::string& where) {
    ordered_json record = in_file;
    columns.rename(record, where);
    Question q = question_of(record, folder, where);
    LL_CHECK(record.contains("conversations"), "{}: no `conversations`", where);
    q.messages = messages_of(record, kShareGpt, where);
    LL_CHECK(tools_of(record, where).empty(), "{}: there are tools, which the prompts of pictures have no place for",
             where);
    for (const ChatMessage& m : q.messages)
      LL_CHECK(m.json.empty() || !nlohmann::json::parse(m.json).at("content").is_array(),
               "{}: a content is a list of parts, where a text is expected", where);
    LL_CHECK(q.messages.back().role == "assistant", "{}: the last message is not the assistant's", where);
    q.answers = {q.messages.back().content};
    check_question(q);
    out.push_back(std::move(q));
  });
  return out;
}

std::vector<Question> read_captions(const std::string& file, const std::string& folder, const std::string& instruction,
                                    const Columns& columns) {
  RecordReader in(file, {.format = table_format(file),
                         .names = {columns.of("image", "image"), columns.of("caption", "caption")},
                         .required = 1});
  std::vector<Question> out;
  std::vector<Cell> cells;
  while (in.next(cells) != RecordReader::Status::end) {
    Question q;
    q.where = in.where();
    LL_CHECK(!cells[0].text.empty(), "{}: the name of the image is missing", q.where);
    q.images = {(std::filesystem::path(folder) / cells[0].text).string()};
    q.messages = {{"user", question_text(1, "", instruction)}};
    if (!cells[1].absent) {
      LL_CHECK(cells[1].text.find_first_not_of(" \t") != std::string::npos, "{}: the caption is empty", q.where);
      q.answers = {cells[1].text};
      q.messages.push_back({"assistant", cells[1].text});
    }
    check_question(q);
    out.push_back(std::move(q));
  }
  LL_CHECK(!out.empty(), "{} holds no caption", file);
  return out;
}

}  // namespace lowland
