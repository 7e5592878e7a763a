#include "apps/data/language_records.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "apps/data/json_messages.h"
#include "apps/data/json_records.h"
#include "apps/data/records.h"
#include "engine/error.h"

namespace lowland {
namespace {

using nlohmann::ordered_json;  // tools and calls are shown in the order they were written

const char* const kShapes = "expected text; prompt and completion; instruction and output; messages; or conversations";

// The fields of each shape.
const std::vector<std::vector<std::string>>& shapes() {
  static const std::vector<std::vector<std::string>> fields = {
      {"text"}, {"prompt", "completion"}, {"instruction", "input", "output"}, {"messages"}, {"conversations"}};
  return fields;
}

// The prompt of Stanford Alpaca, https://github.com/tatsu-lab/stanford_alpaca
std::string alpaca_prompt(const std::string& instruction, const std::string& input) {
  if (input.empty())
    return "Below is an instruction that describes a task. Write a response that appropriately completes the "
           "request.\n\n### Instruction:\n" +
           instruction + "\n\n### Response:";
  return "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
         "response that appropriately completes the request.\n\n### Instruction:\n" +
         instruction + "\n\n### Input:\n" + input + "\n\n### Response:";
}

bool filled(const ordered_json& o, const char* key) {
  return o.contains(key) && !o.at(key).is_null() && !o.at(key).empty() && o.at(key) != "";
}

// What counts in a conversation and has no place in a prompt.
void refuse_beside_prompt(const ordered_json& o, const std::string& where) {
  for (const char* key : {"system", "history", "tools"})
    LL_CHECK(!filled(o, key),
             "{}: there is `{}` beside a prompt, which has no place for it: write the record as messages", where, key);
}

std::string variables_of(const ordered_json& o, const std::string& where) {
  if (!filled(o, "chat_template_kwargs")) return "";
  LL_CHECK(o.at("chat_template_kwargs").is_object(), "{}: chat_template_kwargs is no object", where);
  return o.at("chat_template_kwargs").dump();
}

// A prompt and a completion that are lists of messages. What the prompt's assistant says is not learnt.
std::vector<ChatMessage> prompted(const ordered_json& o, const std::string& where) {
  LL_CHECK(o.at("completion").is_array(), "{}: prompt is a list of messages, and completion is none", where);
  ordered_json whole = {{"messages", o.at("prompt")}};
  for (const ordered_json& message : o.at("completion")) whole["messages"].push_back(message);
  if (o.contains("system")) whole["system"] = o.at("system");
  std::vector<ChatMessage> messages = messages_of(whole, kMessages, where);
  const size_t learnt = messages.size() - o.at("completion").size();
  for (size_t i = 0; i < learnt; ++i)
    if (messages[i].role == "assistant") messages[i].learn = false;
  return messages;
}

LanguageRecord record_of(const ordered_json& o, const std::string& where) {
  LanguageRecord r;
  r.where = where;
  if (o.contains("messages") || o.contains("conversations")) {
    r.messages = messages_of(o, o.contains("messages") ? kMessages : kShareGpt, where);
    r.tools = tools_of(o, where);
    r.variables = variables_of(o, where);
  } else if (o.contains("prompt") && o.contains("completion") && o.at("prompt").is_array()) {
    r.messages = prompted(o, where);
    r.tools = tools_of(o, where);
    r.variables = variables_of(o, where);
  } else if (o.contains("prompt") && o.contains("completion")) {
    refuse_beside_prompt(o, where);
    r.prompt = text_of(o, "prompt", where);
    r.completion = text_of(o, "completion", where);
  } else if (o.contains("instruction") && o.contains("output")) {
    refuse_beside_prompt(o, where);
    const bool input = o.contains("input") && !o.at("input").is_null();
    r.prompt = alpaca_prompt(text_of(o, "instruction", where), input ? text_of(o, "input", where) : "");
    r.completion = text_of(o, "output", where);
  } else if (o.contains("text")) {
    r.completion = text_of(o, "text", where);
  } else {
    fail("{}: no field to learn from; {}", where, kShapes);
  }
  return r;
}

bool names_one(const Columns& columns, const std::vector<std::string>& fields) {
  return std::any_of(fields.begin(), fields.end(), [&](const std::string& field) { return columns.has(field); });
}

int64_t shapes_named(const Columns& columns) {
  return std::count_if(shapes().begin(), shapes().end(),
                       [&](const auto& fields) { return names_one(columns, fields); });
}

// Without the fields of shapes that the columns do not name.
void keep_shape(ordered_json& o, const Columns& columns) {
  if (shapes_named(columns) == 0) return;
  for (const auto& fields : shapes())
    for (const std::string& field : fields)
      if (!names_one(columns, fields)) o.erase(field);
}

// Rows of a table as records of texts.
void for_each_row(const std::string& file, TableFormat format,
                  const std::function<void(ordered_json& record, const std::string& where)>& fn) {
  LineReader in(file);
  std::vector<std::string> header, cells;
  int64_t line = 0;
  const auto next = [&](std::vector<std::string>& row) {
    if (format == TableFormat::csv) return next_csv_record(in, row, line);
    std::string text;
    if (!in.next_filled(text)) return false;
    line = in.line();
    split_tabs(text, row);
    return true;
  };
  LL_CHECK(next(header), "{} is empty", file);
  while (next(cells)) {
    const std::string where = fmt::format("{}:{}", file, line);
    LL_CHECK(cells.size() == header.size(), "{}: expected {} columns, found {}", where, header.size(), cells.size());
    ordered_json record = ordered_json::object();
    for (size_t i = 0; i < cells.size(); ++i) record[header[i]] = cells[i];
    fn(record, where);
  }
}

// Lists of messages are JSON in a cell.
void read_lists(ordered_json& record, const std::string& where) {
  for (const char* key : {"messages", "conversations"}) {
    if (!record.contains(key)) continue;
    ordered_json list = ordered_json::parse(record.at(key).get_ref<const std::string&>(), nullptr, false);
    LL_CHECK(list.is_array(), "{}: {} holds no JSON list", where, key);
    record[key] = std::move(list);
  }
}

}  // namespace

Columns language_columns(const std::string& text) {
  std::vector<std::string> names;
  for (const auto& fields : shapes()) names.insert(names.end(), fields.begin(), fields.end());
  for (const char* beside : {"system", "tools", "chat_template_kwargs"}) names.emplace_back(beside);
  Columns columns(text, names);
  LL_CHECK(shapes_named(columns) <= 1, "--columns {}: these are names of different kinds of records", text);
  return columns;
}

std::vector<LanguageRecord> read_language_records(const std::string& file, const Columns& columns) {
  std::vector<LanguageRecord> out;
  const auto format = find_table_format(file);
  const bool table = format && *format != TableFormat::jsonl;
  const auto add = [&](ordered_json& record, const std::string& where) {
    columns.rename(record, where);
    if (table) read_lists(record, where);
    keep_shape(record, columns);
    out.push_back(record_of(record, where));
  };
  if (table) {
    for_each_row(file, *format, add);
  } else {
    JsonRecordReader in(file);
    for (ordered_json record; in.next(record);) add(record, in.where());
  }
  LL_CHECK(!out.empty(), "{} holds no example", file);
  return out;
}

}  // namespace lowland
