#include "apps/data/language_records.h"

#include <nlohmann/json.hpp>

#include "apps/data/json_messages.h"
#include "apps/data/json_records.h"
#include "engine/error.h"

namespace lowland {
namespace {

using json = nlohmann::ordered_json;  // tools and calls are shown in the order they were written

const char* const kShapes = "expected text; prompt and completion; instruction and output; messages; or conversations";

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

bool filled(const json& o, const char* key) {
  return o.contains(key) && !o.at(key).is_null() && !o.at(key).empty() && o.at(key) != "";
}

// What counts in a conversation and has no place in a prompt.
void refuse_beside_prompt(const json& o, const std::string& where) {
  for (const char* key : {"system", "history", "tools"})
    LL_CHECK(!filled(o, key),
             "{}: there is `{}` beside a prompt, which has no place for it: write the record as messages", where, key);
}

std::string variables_of(const json& o, const std::string& where) {
  if (!filled(o, "chat_template_kwargs")) return "";
  LL_CHECK(o.at("chat_template_kwargs").is_object(), "{}: chat_template_kwargs is no object", where);
  return o.at("chat_template_kwargs").dump();
}

LanguageRecord record_of(const json& o, const std::string& where) {
  LanguageRecord r;
  r.where = where;
  if (o.contains("messages") || o.contains("conversations")) {
    r.messages = messages_of(o, o.contains("messages") ? kMessages : kShareGpt, where);
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

}  // namespace

std::vector<LanguageRecord> read_language_records(const std::string& file) {
  std::vector<LanguageRecord> out;
  JsonRecordReader in(file);
  for (json record; in.next(record);) out.push_back(record_of(record, in.where()));
  LL_CHECK(!out.empty(), "{} holds no example", file);
  return out;
}

}  // namespace lowland
