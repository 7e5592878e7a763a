// Renders conversations, for tests/golden/check_chat.py.
//   render_chat TEMPLATE [TOKENIZER] < lines     TEMPLATE: the name of a built-in, or a file to be recognised
// A line is {"messages": [...], "bos": "", "eos": "", "generation_prompt": false}; so is the answer's, with
// name, text and answers (bytes), and with a TOKENIZER the ids and is_answer of each. An error is {"error":
// "..."}.
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/chat/encode_chat.h"
#include "models/tokenizers/tokenizer_files.h"

using namespace lowland;
using nlohmann::json;

namespace {

json answer(const ChatTemplate& chat, const Tokenizer* tokenizer, const json& line) {
  std::vector<ChatMessage> messages;
  for (const json& message : line.at("messages"))
    messages.push_back({message.at("role").get<std::string>(), message.at("content").get<std::string>()});
  const ChatOptions options{.bos = line.value("bos", ""),
                            .eos = line.value("eos", ""),
                            .generation_prompt = line.value("generation_prompt", false)};
  const ChatText text = render_chat(chat, messages, options);
  json out = {{"name", name_of(chat)}, {"text", text.text}, {"answers", json::array()}};
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
  const std::string name = argv[1];
  std::unique_ptr<Tokenizer> tokenizer;
  if (argc == 3) tokenizer = load_tokenizer(argv[2]);
  ChatTemplate chat;
  try {
    chat = std::filesystem::is_regular_file(name) ? recognise_chat_template(read_whole_file(name), name)
                                                  : chat_template_of(name);
  } catch (const Error& e) {
    fmt::print("{}\n", json({{"error", e.what()}}).dump());
    return 0;
  }
  for (std::string line; std::getline(std::cin, line);) {
    try {
      fmt::print("{}\n", answer(chat, tokenizer.get(), json::parse(line)).dump());
    } catch (const Error& e) {
      fmt::print("{}\n", json({{"error", e.what()}}).dump());
    }
  }
} catch (const std::exception& e) {
  fmt::print(stderr, "error: {}\n", e.what());
  return 1;
}
