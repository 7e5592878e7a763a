// Which built-in template a folder's own is.
#include <algorithm>
#include <filesystem>
#include <optional>

#include "engine/error.h"
#include "models/chat/chat_template.h"
#include "models/chat/jinja_texts.h"
#include "models/tokenizers/tokenizer_files.h"

namespace lowland {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

// What marks a template. All of `texts` must occur, and no text that is in neither list; all of `code` must
// be there and none of `not_code`.
struct Marks {
  const char* name;
  std::vector<std::string> texts, also;
  std::vector<std::string> code, not_code;
  std::vector<std::string> between = {};  // what may stand between the tags
};

const std::string kHeader = "<|start_header_id|>", kHeaderEnd = "<|end_header_id|>\n\n";
const std::string kQwen = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
const std::string kHelpful = "You are a helpful assistant.";

std::vector<std::string> headers() {
  std::vector<std::string> out = {kHeader, kHeaderEnd, ""};
  for (const char* role : {"system", "user", "assistant"}) {
    out.push_back(kHeader + role + kHeaderEnd);
    out.push_back(role);
  }
  return out;
}

std::vector<std::string> chatml_texts(const std::string& system) {
  std::vector<std::string> out = {"<|im_start|>", "\n", "<|im_end|>", "<|im_end|>\n"};
  for (const std::string role : {"system", "user", "assistant"}) out.push_back("<|im_start|>" + role + "\n");
  if (!system.empty()) {
    out.push_back("<|im_start|>system\n" + system + "<|im_end|>\n");
    out.push_back(system);
  }
  return out;
}

std::vector<Marks> all_marks() {
  std::vector<std::string> dated = headers();
  for (const char* text : {"26 Jul 2024", "%d %b %Y", "\n\n", "Today Date: "}) dated.push_back(text);
  return {
      {"llama3", {"<|eot_id|>", kHeaderEnd}, headers(), {"|trim", "bos_token"}, {}},
      {"llama3.1",
       {"Cutting Knowledge Date: December 2023\n", "Today Date: ", "<|eot_id|>"},
       dated,
       {"|trim", "bos_token"},
       {}},
      {"qwen2.5",
       {"<|im_start|>system\n" + kQwen + "<|im_end|>\n"},
       chatml_texts(kQwen),
       {"add_generation_prompt"},
       {"trim", "strip", "bos_token"}},
      {"qwen2",
       {"<|im_start|>system\n" + kHelpful + "<|im_end|>\n"},
       chatml_texts(kHelpful),
       {"add_generation_prompt"},
       {"trim", "strip", "bos_token"}},
      {"chatml",
       {},
       chatml_texts(""),
       {"add_generation_prompt", "<|im_start|>", "<|im_end|>"},
       {"trim", "strip", "bos_token", "messages[1:]"}},
      {"llama2",
       {"<<SYS>>\n", "\n<</SYS>>\n\n", "[INST] ", " [/INST]", " "},
       {},
       {"{{bos_token+'[INST] '+content", "{{' '+content", "+' '+eos_token}}", "content.strip()"},
       {"tool"}},
      {"llama2",
       {"<<SYS>>\n", "\n<</SYS>>\n\n", "[INST] ", " [/INST]", " "},
       {},
       {"{{bos_token+'[INST] '+content|trim", "{{' '+content|trim", "+' '+eos_token}}"},
       {"tool", "content'].strip"}},
      {"mistral",
       {"[INST] ", " [/INST]"},
       {},
       {"{{bos_token}}", "{{message['content']+eos_token}}"},
       {"trim", "strip"}},
      {"mistral-v1",
       {" [INST] ", " [/INST]", "\n\n", " "},
       {},
       {"{{bos_token}}", "loop.firstandsystem_messageisdefined", "{{' '+message['content']+eos_token}}"},
       {"trim", "strip"}},
      {"mistral-v3",
       {"[INST] ", "[/INST]", "\n\n", " "},
       {},
       {"{{bos_token}}", "loop.lastandsystem_messageisdefined", "{{' '+message['content']|trim+eos_token}}"},
       {}},
      {"mistral-v3 unstripped",
       {"[INST] ", "[/INST]", "\n\n", " "},
       {},
       {"{{bos_token}}", "loop.lastandsystem_messageisdefined", "{{' '+message['content']+eos_token}}"},
       {"trim"}},
      {"zephyr",
       {"<|user|>\n", "<|system|>\n", "<|assistant|>\n", "<|assistant|>"},
       {},
       {"message['content']+eos_token}}", "add_generation_prompt"},
       {"trim", "strip", "bos_token"},
       {"\n"}},
      {"zephyr",
       {"<|user|>\n", "<|system|>\n", "<|assistant|>\n", "\n"},
       {},
       {"message['content']+eos_token+'\n'}}", "add_generation_prompt"},
       {"trim", "strip", "bos_token"}},
      {"vicuna",
       {"USER: ", "ASSISTANT: ", "ASSISTANT:", " ",
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
        "helpful, detailed, "
        "and polite answers to the user's questions."},
       {},
       {"{{'USER: '+message['content']+' '}}", "{{'ASSISTANT: '+message['content']+eos_token}}"},
       {"trim", "strip"}},
  };
}

bool contains(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool fits(const Marks& marks, const JinjaTexts& found) {
  const auto in_code = [&found](const std::string& part) { return found.code.find(part) != std::string::npos; };
  if (!std::all_of(marks.code.begin(), marks.code.end(), in_code)) return false;
  if (std::any_of(marks.not_code.begin(), marks.not_code.end(), in_code)) return false;
  for (const std::string& text : found.between) {
    if (!contains(marks.between, text)) return false;
  }
  // Both zephyr forms end a message's line: the one by what stands between its tags.
  if (!marks.between.empty() && found.between.empty()) return false;
  for (const std::string& wanted : marks.texts) {
    const auto is_it = [&wanted](const JinjaTexts::Text& text) { return text.text == wanted; };
    if (std::none_of(found.texts.begin(), found.texts.end(), is_it)) return false;
  }
  return std::all_of(found.texts.begin(), found.texts.end(), [&marks](const JinjaTexts::Text& text) {
    return text.tools || contains(marks.texts, text.text) || contains(marks.also, text.text);
  });
}

// The template of a chat_template key: a text, or a list of named ones.
std::optional<std::string> template_text(const json& value, const std::string& source) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return std::nullopt;
  for (const json& item : value) {
    if (item.is_object() && item.value("name", "") == "default" && item.contains("template"))
      return item.at("template").get<std::string>();
  }
  fail(
      "{}: its chat_template is a list without one that is named default: name a built-in with "
      "--chat-template",
      source);
}

}  // namespace

ChatTemplate recognise_chat_template(std::string_view jinja, const std::string& source) {
  const JinjaTexts found = read_jinja(jinja);
  for (const Marks& marks : all_marks()) {
    if (!fits(marks, found)) continue;
    const std::string_view name = marks.name;
    ChatTemplate chat = chat_template_of(std::string(name.substr(0, name.find(' '))));
    chat.strip_answer = name != "mistral-v3 unstripped";
    return chat;
  }
  fail("{}: its chat template is none of the built-in ones: name the one to use with --chat-template ({})", source,
       fmt::join(chat_template_names(), ", "));
}

ChatTemplate detect_chat_template(const std::string& folder) {
  const fs::path dir(folder), jinja = dir / "chat_template.jinja";
  if (fs::exists(jinja)) return recognise_chat_template(read_whole_file(jinja), jinja.string());
  for (const char* name : {"tokenizer_config.json", "chat_template.json"}) {
    const fs::path file = dir / name;
    if (!fs::exists(file)) continue;
    const json content = read_json_file(file);
    if (!content.is_object() || !content.contains("chat_template")) continue;
    if (const auto text = template_text(content.at("chat_template"), file.string()))
      return recognise_chat_template(*text, file.string());
  }
  fail(
      "{}: no chat template here: neither chat_template.jinja, nor one in tokenizer_config.json or "
      "chat_template.json: "
      "name a built-in with --chat-template ({})",
      folder, fmt::join(chat_template_names(), ", "));
}

}  // namespace lowland
