// Renders conversations, for tests/golden/check_chat.py and tests/peers/check_chat_census.py.
//   render_chat TEMPLATE [TOKENIZER] < lines     TEMPLATE: the name of a built-in, or a file
// A line is {"messages": [...], "bos": "", "eos": "", "generation_prompt": false}, and may have tools, variables (an
// object), date and "plain": true, as apply_chat_template has it: nothing refused but by the template, no answers.
// So is the answer's, with text and answers (bytes), and with a TOKENIZER the ids and is_answer of each. An error is
// {"error": "..."}.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/chat/encode_chat.h"
#include "models/tokenizers/tokenizer.h"

using namespace lowland;
using nlohmann::ordered_json;

namespace {

ordered_json answer(const ChatTemplate& chat, const Tokenizer* tokenizer, const ordered_json& line) {
  std::vector<ChatMessage> messages;
  for (const ordered_json& message : line.at("messages")) {
    const bool simple = message.size() == 2 && message.contains("content") && message.at("content").is_string();
    messages.push_back({message.at("role").get<std::string>(), simple ? message.at("content").get<std::string>() : "",
                        simple ? "" : message.dump()});
  }
  ChatOptions options{
      .bos = line.value("bos", ""), .eos = line.value("eos", ""), .date = line.value("date", "26 Jul 2024")};
  options.generation_prompt = line.value("generation_prompt", false);
  if (line.contains("tools") && !line.at("tools").is_null()) options.tools = line.at("tools").dump();
  if (line.contains("variables")) options.variables = line.at("variables").dump();
  if (line.value("plain", false)) return {{"text", apply_chat_template(chat, messages, options)}};
  const ChatText text = render_chat(chat, messages, options);
  ordered_json out = {{"text", text.text}, {"answers", ordered_json::array()}};
  for (const TextRange& range : text.answers) out["answers"].push_back({range.begin, range.end});
  if (tokenizer) {
    const ChatIds ids = encode_chat_text(*tokenizer, text);
    out["ids"] = ids.ids;
    out["is_answer"] = ids.is_answer;
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) try {
  LL_CHECK(argc == 2 || argc == 3, "usage: {} TEMPLATE [TOKENIZER]", argv[0]);
  std::unique_ptr<Tokenizer> tokenizer;
  if (argc == 3) tokenizer = load_tokenizer(argv[2]);
  ChatTemplate chat;
  try {
    chat = chat_template_of(argv[1]);
  } catch (const Error& e) {
    fmt::print("{}\n", ordered_json({{"error", e.what()}}).dump());
    return 0;
  }
  for (std::string line; std::getline(std::cin, line);) {
    try {
      fmt::print("{}\n", answer(chat, tokenizer.get(), ordered_json::parse(line)).dump());
    } catch (const Error& e) {
      fmt::print("{}\n", ordered_json({{"error", e.what()}}).dump());
    }
  }
} catch (const std::exception& e) {
  fmt::print(stderr, "error: {}\n", e.what());
  return 1;
}
