#include "apps/data/json_messages.h"

#include <algorithm>

#include "engine/error.h"

namespace lowland {
namespace {

using nlohmann::ordered_json;

std::string role_of(const std::string& role, const std::string& where) {
  if (role == "human") return "user";
  if (role == "gpt") return "assistant";
  if (role == "observation") return "tool";
  for (const char* known : {"system", "user", "assistant", "tool", "developer", "function", "ipython"})
    if (role == known) return role;
  fail("{}: role {} is none of system, user, assistant, tool (human, gpt, observation)", where, role);
}

bool given(const ordered_json& object, const char* key) { return object.contains(key) && !object.at(key).is_null(); }

// Whether an answer is to be learnt.
bool is_learnt(const ordered_json& message, const std::string& where) {
  bool learn = true;
  for (const char* key : {"weight", "train"}) {
    if (!given(message, key)) continue;
    const ordered_json& value = message.at(key);
    LL_CHECK(value.is_boolean() || value == 0 || value == 1, "{}: {} of a message is {}, neither 0 nor 1", where, key,
             value.dump());
    learn = learn && (value.is_boolean() ? value.get<bool>() : value == 1);
  }
  return learn;
}

void check_part(const ordered_json& part, const std::string& where) {
  const bool object = part.is_object() && part.contains("type") && part.at("type").is_string();
  LL_CHECK(object, "{}: a part of a content is no object with a type", where);
  const std::string type = part.at("type").get<std::string>();
  LL_CHECK(type == "text", "{}: a part of a content is of type {}: only text is learnt here", where, type);
  LL_CHECK(part.contains("text") && part.at("text").is_string(), "{}: a part of a content lacks its text", where);
}

ChatMessage message_of(const ordered_json& item, const MessageKeys& keys, const std::string& where) {
  const bool has_role = item.is_object() && given(item, keys.role);
  LL_CHECK(has_role && (item.contains(keys.content) || given(item, "tool_calls")), "{}: a message lacks {} or {}",
           where, keys.role, keys.content);
  LL_CHECK(item.at(keys.role).is_string(), "{}: {} is not a text", where, keys.role);
  ChatMessage out;
  out.role = role_of(item.at(keys.role).get<std::string>(), where);
  out.learn = is_learnt(item, where);
  ordered_json all = {{"role", out.role}};
  bool simple = given(item, keys.content);
  for (const auto& [key, value] : item.items()) {
    if (key == keys.role || key == "weight" || key == "train" || value.is_null()) continue;
    simple = simple && key == keys.content;
    all[key == keys.content ? "content" : key] = value;
  }
  if (given(item, keys.content)) {
    const ordered_json& content = item.at(keys.content);
    const bool result = content.is_object() && (out.role == "tool" || out.role == "function" || out.role == "ipython");
    LL_CHECK(content.is_string() || content.is_array() || result, "{}: {} is not a text", where, keys.content);
    if (content.is_array() && out.role != "tool")
      for (const ordered_json& part : content) check_part(part, where);
    if (content.is_string()) out.content = content.get<std::string>();
    simple = simple && content.is_string();
  } else {
    LL_CHECK(given(item, "tool_calls"), "{}: {} is not a text", where, keys.content);
  }
  if (!simple) out.json = all.dump();
  return out;
}

}  // namespace

std::vector<ChatMessage> messages_of(const ordered_json& record, const MessageKeys& keys, const std::string& where) {
  const ordered_json& items = record.at(keys.list);
  LL_CHECK(items.is_array() && !items.empty(), "{}: {} must be a list of messages, at least one", where, keys.list);
  std::vector<ChatMessage> out;
  for (const ordered_json& item : items) out.push_back(message_of(item, keys, where));
  const auto answers = [](const ChatMessage& m) { return m.role == "assistant"; };
  LL_CHECK(std::any_of(out.begin(), out.end(), answers), "{}: no message is an assistant's: there is nothing to learn",
           where);
  if (!given(record, "system")) return out;
  const ordered_json& system = record.at("system");
  LL_CHECK(system.is_string(), "{}: system is not a text", where);
  if (system.get_ref<const std::string&>().empty()) return out;
  LL_CHECK(out.front().role != "system", "{}: there is `system`, and a message of that role: which counts?", where);
  out.insert(out.begin(), {"system", system.get<std::string>()});
  return out;
}

std::string tools_of(const ordered_json& record, const std::string& where) {
  if (!given(record, "tools")) return "";
  ordered_json tools = record.at("tools");
  if (tools.is_string()) {
    const std::string text = tools.get<std::string>();
    if (text.empty()) return "";
    tools = ordered_json::parse(text, nullptr, false);
  }
  LL_CHECK(tools.is_array(), "{}: tools is no list, and no text of one", where);
  return tools.empty() ? "" : tools.dump();
}

}  // namespace lowland
