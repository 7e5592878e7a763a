#include "models/chat/conversation.h"

#include <algorithm>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/error.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

using jinja::Value;
using nlohmann::ordered_json;

using Items = std::vector<std::pair<Value, Value>>;

// Names of what a model thought: the first one is what templates read.
constexpr const char* kReasoning[] = {"reasoning_content", "thinking", "reasoning"};

jinja::Budget unlimited() {
  return jinja::Budget({.steps = INT64_MAX, .bytes = INT64_MAX, .depth = jinja::Limits::nesting});
}

ordered_json parse(const std::string& text, const char* what) {
  ordered_json out = ordered_json::parse(text, nullptr, false);
  LL_CHECK(!out.is_discarded(), "{} are not JSON", what);
  return out;
}

// As transformers does: reasoning_content from the other names, and thinking for the templates that read it.
ordered_json with_reasoning(ordered_json message) {
  for (const char* name : kReasoning) {
    if (!message.contains(name)) continue;
    const ordered_json reasoning = message.at(name);
    ordered_json out = {{"thinking", reasoning}};
    out.update(message);
    out["reasoning_content"] = reasoning;
    return out;
  }
  return message;
}

Value value_of(const ChatMessage& message) {
  Items items;
  jinja::Budget budget = unlimited();
  // The role is a word of the template: `<|user|>` may be a token.
  const Value role(jinja::make_text(message.role));
  if (message.json.empty()) {
    items.emplace_back(Value("role"), role);
    items.emplace_back(Value("content"), Value(jinja::make_text(utf8_repair(message.content), true)));
    return jinja::make_dict(std::move(items), budget);
  }
  const ordered_json fields = parse(message.json, "the fields of a message");
  ordered_json json;
  for (const auto& [key, value] : fields.items())
    if (!value.is_null()) json[key] = value;
  json["role"] = message.role;
  const Value all = jinja::from_json(with_reasoning(std::move(json)), true);
  for (const auto& [key, value] : all.dict()->items)
    items.emplace_back(key, key.text()->bytes == "role" ? role : value);
  return jinja::make_dict(std::move(items), budget);
}

const Value* field(const Value& message, std::string_view key) { return message.dict()->find(key); }

}  // namespace

bool parse_date(const std::string& text, std::tm& day) {
  for (const char* format : {"%d %b %Y", "%Y-%m-%d"}) {
    std::istringstream in(text);
    in.imbue(std::locale::classic());
    std::tm out{};
    in >> std::get_time(&out, format);
    if (in.fail() || in.peek() != std::istringstream::traits_type::eof()) continue;
    out.tm_hour = 12;  // far from any change of clocks
    if (std::mktime(&out) == -1) continue;
    day = out;
    return true;
  }
  return false;
}

Conversation::Conversation(const ChatTemplate& chat, const std::vector<ChatMessage>& messages,
                           const ChatOptions& options)
    : chat_(chat), messages_(messages), options_(options) {
  LL_CHECK(!messages.empty(), "a conversation without messages");
  for (const ChatMessage& message : messages) values_.push_back(value_of(message));
  if (!options.variables.empty()) {
    const ordered_json more = parse(options.variables, "the variables of a template");
    LL_CHECK(more.is_object(), "the variables of a template are no JSON object");
    for (const auto& [key, value] : more.items()) variables_.emplace_back(key, jinja::from_json(value, true));
  }
  const auto set = [this](const char* name, Value value) {
    const auto same = [name](const auto& v) { return v.first == name; };
    if (std::none_of(variables_.begin(), variables_.end(), same)) variables_.emplace_back(name, std::move(value));
  };
  set("bos_token", Value(options.bos));
  set("eos_token", Value(options.eos));
  set("tools", options.tools.empty() ? Value(jinja::None{}) : jinja::from_json(parse(options.tools, "tools"), true));
  set("documents", Value(jinja::None{}));
  if (!options.date.empty()) set("date_string", Value(options.date));
  LL_CHECK(
      parse_date(options.date.empty() ? ChatOptions().date : options.date, now_) || !program().mentions("strftime_now"),
      "'{}' is no day that the template could write: say 26 Jul 2024 or 2024-07-26", options.date);
}

const jinja::Template& Conversation::program() const {
  return !options_.tools.empty() && chat_.tool_program ? *chat_.tool_program : *chat_.program;
}

bool Conversation::reads_parts() const {
  return !chat_.built_in && (program().mentions("text") || program().mentions("type"));
}

void Conversation::refuse_dropped() const {
  LL_CHECK(options_.tools.empty() || program().mentions("tools"), "there are tools, which {} has no place for",
           program().name());
  for (size_t i = 0; i < values_.size(); ++i) {
    for (const char* key : {"tool_calls", "function_call", "reasoning_content"}) {
      const Value* value = field(values_[i], key);
      const bool thinks = std::string_view(key) == "reasoning_content";
      LL_CHECK(!value || !jinja::truth(*value) || program().mentions(key) || (thinks && program().mentions("thinking")),
               "message {} has {}, which {} has no place for", i + 1, key, program().name());
    }
  }
}

void Conversation::join_parts() {
  if (reads_parts()) return;
  jinja::Budget budget = unlimited();
  for (size_t i = 0; i < values_.size(); ++i) {
    const Value* content = field(values_[i], "content");
    if (!content || !content->sequence()) continue;
    jinja::Text joined;
    for (const Value& part : content->sequence()->items) {
      const Value* text = part.dict() ? field(part, "text") : nullptr;
      LL_CHECK(text && text->text(), "message {} has a part that is no text, which {} has no place for", i + 1,
               program().name());
      jinja::append(joined, *text->text());
    }
    Items items = values_[i].dict()->items;
    for (auto& [key, value] : items)
      if (key.text()->bytes == "content") value = Value(joined);
    values_[i] = jinja::make_dict(std::move(items), budget);
  }
}

jinja::Text Conversation::render(size_t count, bool generation_prompt) const {
  jinja::Variables variables = variables_;
  jinja::Budget budget = unlimited();
  std::vector<Value> first(values_.begin(), values_.begin() + static_cast<std::ptrdiff_t>(count));
  variables.emplace_back("messages", jinja::make_list(std::move(first), budget));
  variables.emplace_back("add_generation_prompt", Value(generation_prompt));
  jinja::Limits limits;
  size_t bytes = 0;
  for (const ChatMessage& m : messages_) bytes += m.content.size() + m.json.size();
  bytes += options_.tools.size();
  // A long conversation may cost more: each of its bytes is copied a number of times.
  limits.steps += static_cast<int64_t>(bytes) * 16;
  limits.bytes += static_cast<int64_t>(bytes) * 256;
  return program().render(std::move(variables), now_, limits);
}

}  // namespace lowland
