#include "apps/data/language_records.h"

#include "apps/data/json_messages.h"
#include "apps/data/json_records.h"
#include "apps/data/text_file.h"
#include "engine/error.h"

namespace lowland {
namespace {

using nlohmann::json;

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

std::string role_of(const std::string& role, const std::string& where) {
  if (role == "human") return "user";
  if (role == "gpt") return "assistant";
  LL_CHECK(role == "system" || role == "user" || role == "assistant",
           "{}: role {} is none of system, user, assistant (human, gpt)", where, role);
  return role;
}

LanguageRecord record_of(const json& o, const std::string& where) {
  LanguageRecord r;
  r.where = where;
  if (o.contains("messages")) {
    r.messages = messages_of(o, "messages", "role", "content", where);
  } else if (o.contains("conversations")) {
    r.messages = messages_of(o, "conversations", "from", "value", where);
  } else if (o.contains("prompt") && o.contains("completion")) {
    r.prompt = text_of(o, "prompt", where);
    r.completion = text_of(o, "completion", where);
  } else if (o.contains("instruction") && o.contains("output")) {
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

std::vector<LanguageMessage> messages_of(const json& object, const char* list, const char* role, const char* content,
                                         const std::string& where) {
  const json& items = object.at(list);
  LL_CHECK(items.is_array() && !items.empty(), "{}: {} must be a list of messages, at least one", where, list);
  std::vector<LanguageMessage> out;
  for (const json& item : items) {
    LL_CHECK(item.is_object() && item.contains(role) && item.contains(content), "{}: a message lacks {} or {}", where,
             role, content);
    out.push_back({role_of(text_of(item, role, where), where), text_of(item, content, where)});
  }
  bool answered = false;
  for (const LanguageMessage& m : out) answered = answered || m.role == "assistant";
  LL_CHECK(answered, "{}: no message is an assistant's: there is nothing to learn", where);
  return out;
}

std::vector<LanguageRecord> read_language_records(const std::string& file) {
  std::vector<LanguageRecord> out;
  LineReader lines(file);
  for (std::string line; lines.next_filled(line);) {
    const json object = json::parse(line, nullptr, false);
    LL_CHECK(!object.is_discarded(), "{}: not JSON", lines.where());
    LL_CHECK(object.is_object(), "{}: not a JSON object; {}", lines.where(), kShapes);
    out.push_back(record_of(object, lines.where()));
  }
  LL_CHECK(!out.empty(), "{} holds no example", file);
  return out;
}

}  // namespace lowland
