// Rendering against transformers' apply_chat_template: tests/golden/make_chat_golden.py.
#include <doctest/doctest.h>

#include "engine/error.h"
#include "models/chat/chat_template.h"
#include "models/chat/strip.h"
#include "tests/tokenizers/support.h"

using namespace lowland;
using namespace lowland::test;
using nlohmann::json;

namespace {

std::vector<ChatMessage> messages_of(const json& list) {
  std::vector<ChatMessage> messages;
  for (const json& message : list)
    messages.push_back({message.at("role").get<std::string>(), message.at("content").get<std::string>()});
  return messages;
}

std::string text_of(const std::string& name, const std::vector<ChatMessage>& messages, bool prompt = false) {
  return render_chat(chat_template_of(name), messages, {.bos = "<s>", .eos = "</s>", .generation_prompt = prompt}).text;
}

std::string error_of(const std::string& name, const std::vector<ChatMessage>& messages) {
  try {
    text_of(name, messages);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("chat: every template renders as apply_chat_template does, and knows where the answers are") {
  const json golden = json::parse(read_file(golden_folder() / "chat_golden.json"));
  CHECK(golden.at("templates").size() == 11);
  for (const json& file : golden.at("templates")) {
    const auto name = file.at("name").get<std::string>();
    CAPTURE(name);
    REQUIRE(!file.at("cases").empty());
    for (const json& c : file.at("cases")) {
      const ChatOptions options{.bos = file.at("bos").get<std::string>(),
                                .eos = file.at("eos").get<std::string>(),
                                .generation_prompt = c.at("generation_prompt").get<bool>()};
      const ChatText got = render_chat(chat_template_of(name), messages_of(c.at("messages")), options);
      CHECK(got.text == c.at("text").get<std::string>());
      CHECK(got.needs_bos == (name == "vicuna"));
      if (!c.contains("answers") || c.at("answers").is_null()) continue;
      json answers = json::array();
      for (const TextRange& range : got.answers) answers.push_back({range.begin, range.end});
      CHECK(answers == c.at("answers"));
    }
  }
}

TEST_CASE("chat: contents are what was handed in, stripped where the template strips") {
  const std::vector<ChatMessage> messages = {{"system", " S "}, {"user", "U"}, {"assistant", " A\n"}};
  for (const std::string& name : chat_template_names()) {
    if (name == "mistral") continue;
    CAPTURE(name);
    const ChatText got = render_chat(chat_template_of(name), messages, {.bos = "<s>", .eos = "</s>"});
    std::string contents;
    for (const TextRange& range : got.contents)
      contents += strip(got.text.substr(range.begin, range.end - range.begin));
    CHECK(contents == (name == "mistral-v3" ? "UA" : "SUA"));  // its system message stands in a last user's turn only
    CHECK(got.answers.size() == 1);
  }
}

TEST_CASE("chat: LLaVA's two styles, plain, the date") {
  const std::vector<ChatMessage> turns = {{"user", "<image>\nQ"}, {"assistant", "A"}, {"user", "R"}};
  CHECK(text_of("llava-hf", turns, true) == "USER: <image>\nQ ASSISTANT: A</s>USER: R ASSISTANT:");
  CHECK(text_of("vicuna", turns, true) ==
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
        "helpful, detailed, "
        "and polite answers to the user's questions. USER: <image>\nQ ASSISTANT: A</s>USER: R ASSISTANT:");
  CHECK(text_of("plain", {{"system", "S"}, {"user", "U"}, {"assistant", "A"}, {"user", "V"}}) == "S\nU\nA</s>V\n");
  const ChatText dated = render_chat(chat_template_of("llama3.1"), turns, {.date = "01 Jan 2030"});
  CHECK(dated.text.find("Today Date: 01 Jan 2030\n\n<|eot_id|>") != std::string::npos);
}

TEST_CASE("chat: bad conversations") {
  CHECK(error_of("chatml", {}) == "a conversation without messages");
  CHECK(error_of("chatml", {{"user", ""}, {"system", ""}}) ==
        "message 2 has the role system, which only the first may have");
  CHECK(error_of("chatml", {{"tool", ""}}) ==
        "message 1 has the role 'tool', where system, user or assistant is expected");
  CHECK(error_of("llama2", {{"user", ""}, {"user", ""}}) ==
        "the chat template llama2 wants user and assistant by turns, and turn 2 is of the role user");
  CHECK(error_of("mistral", {{"system", ""}, {"user", ""}}).starts_with("the chat template mistral has no system"));
  CHECK(error_of("alpaca", {{"user", ""}})
            .starts_with("there is no chat template 'alpaca': the built-in ones are llama2,"));
}

TEST_CASE("strip: blanks of Python's strip") {
  CHECK(strip("\u3000\u0085 \t\x1c x y\x1f\u2028\n") == "x y");
  CHECK(strip("\u180e\u200b") == "\u180e\u200b");
  CHECK(strip(" \n ").empty());
}
