// Where a template comes from: built in, a file, a folder.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/chat/built_in_templates.h"
#include "models/chat/chat_template.h"
#include "models/chat/jinja/template.h"
#include "models/gguf/gguf_model.h"
#include "models/tokenizers/tokenizer_files.h"

namespace lowland {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

std::string names() { return fmt::format("{}", fmt::join(chat_template_names(), ", ")); }

// Of a chat_template key: a text, or a list of named ones. False where there is none.
bool read_key(const json& content, const std::string& source, ChatTemplate& out) {
  if (!content.is_object() || !content.contains("chat_template")) return false;
  const json& value = content.at("chat_template");
  if (value.is_string()) {
    out = read_chat_template(value.get<std::string>(), source);
    return true;
  }
  if (!value.is_array()) return false;
  const auto named = [&value](const char* name) -> const json* {
    for (const json& item : value)
      if (item.is_object() && item.contains("name") && item.at("name") == name && item.contains("template") &&
          item.at("template").is_string())
        return &item.at("template");
    return nullptr;
  };
  const json *usual = named("default"), *tools = named("tool_use");
  LL_CHECK(usual,
           "{}: its chat_template is a list without one that is named default: name a built-in with "
           "--chat-template",
           source);
  out = read_chat_template(usual->get<std::string>(), source);
  if (tools) out.tool_program = std::make_shared<jinja::Template>(tools->get<std::string>(), source + " (tool_use)");
  return true;
}

}  // namespace

const std::vector<std::string>& chat_template_names() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> out;
    for (const BuiltInTemplate& t : built_in_templates()) out.push_back(t.name);
    return out;
  }();
  return all;
}

ChatTemplate chat_template_of(const std::string& name) {
  for (const BuiltInTemplate& t : built_in_templates()) {
    if (t.name != name) continue;
    ChatTemplate out{name, std::make_shared<jinja::Template>(t.jinja, "the chat template " + name)};
    out.built_in = true;
    out.alternates = t.alternates;
    out.takes_system = t.takes_system;
    out.needs_bos = t.needs_bos;
    return out;
  }
  std::error_code error;
  LL_CHECK(fs::is_regular_file(name, error),
           "there is no chat template '{}': the built-in ones are {}; or name a file with one", name, names());
  return read_chat_template(read_whole_file(name), name);
}

std::string chat_template_text(const std::string& name) {
  for (const BuiltInTemplate& t : built_in_templates())
    if (t.name == name) return (t.needs_bos ? "{{- bos_token -}}\n" : "") + t.jinja;
  return read_whole_file(name);
}

ChatTemplate read_chat_template(std::string_view jinja, const std::string& source) {
  return {source, std::make_shared<jinja::Template>(jinja, source)};
}

ChatTemplate load_chat_template(const std::string& folder) {
  const fs::path dir(folder), jinja = dir / "chat_template.jinja";
  ChatTemplate out;
  if (fs::exists(jinja)) {
    out = read_chat_template(read_whole_file(jinja), jinja.string());
    const fs::path tools = dir / "additional_chat_templates" / "tool_use.jinja";
    if (fs::exists(tools)) out.tool_program = std::make_shared<jinja::Template>(read_whole_file(tools), tools.string());
    return out;
  }
  for (const char* name : {"tokenizer_config.json", "chat_template.json"}) {
    const fs::path file = dir / name;
    if (model_file_exists(file) && read_key(read_json_file(file), file.string(), out)) return out;
  }
  fail(
      "{}: no chat template here: neither chat_template.jinja, nor one in tokenizer_config.json or chat_template.json: "
      "name a built-in with --chat-template ({})",
      folder, names());
}

}  // namespace lowland
