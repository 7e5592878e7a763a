// Rendering: the built-in templates against transformers' apply_chat_template (tests/golden/make_chat_golden.py), and
// where the answers are.
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
  CHECK(golden.at("templates").size() == 12);
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

namespace {

// The answers of a conversation by a template of one's own, joined by |; or the error.
std::string answers_by(const std::string& jinja, const std::vector<ChatMessage>& messages,
                       Answers which = Answers::all) {
  try {
    ChatOptions options{.bos = "<s>", .eos = "</s>"};
    options.answers = which;
    const ChatText got = render_chat(read_chat_template(jinja, "T"), messages, options);
    std::string out;
    for (const TextRange& r : got.answers) out += (out.empty() ? "" : "|") + got.text.substr(r.begin, r.end - r.begin);
    return out;
  } catch (const Error& e) {
    return e.what();
  }
}

const std::string kTurns = "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>\n{% endfor %}";
const std::string kPrompt = "{% if add_generation_prompt %}<assistant>{% endif %}";
const std::vector<ChatMessage> kTwo = {
    {"system", "S"}, {"user", "U"}, {"assistant", "A\n"}, {"user", "V"}, {"assistant", "B"}};

}  // namespace

TEST_CASE("chat: answers are found by rendering up to each, with and without the generation prompt") {
  CHECK(answers_by(kTurns + kPrompt, kTwo) == "A\n<end>|B<end>");
  CHECK(answers_by(kTurns + kPrompt, kTwo, Answers::last) == "B<end>");
  CHECK(answers_by(kTurns + kPrompt, kTwo, Answers::none).empty());
  auto weighed = kTwo;
  weighed[2].learn = false;
  CHECK(answers_by(kTurns + kPrompt, weighed) == "B<end>");
  CHECK(answers_by("{% for m in messages %}{{ m.content }}\n{% endfor %}", kTwo) == "A\n\n|B\n");
  // A template that always ends with what an answer follows, as Llama 3.0's first.
  CHECK(answers_by(kTurns + "<assistant>", kTwo) == "A\n<end>|B<end>");
  // What an answer was thinking is left out as soon as more follows.
  const std::string forgets =
      "{% for m in messages %}<{{ m.role }}>{{ '(hm)' if loop.last and m.role == 'assistant' }}{{ m.content }}<end>"
      "{% endfor %}" +
      kPrompt;
  CHECK(answers_by(forgets, kTwo) ==
        "message 3: the chat template does not write a conversation as the beginning of a longer one, so that what is "
        "learnt of this answer cannot be told apart: --loss last learns the last answer alone, --loss all everything, "
        "and --chat-template takes a built-in template");
  CHECK(answers_by(forgets, kTwo, Answers::last) == "(hm)B<end>");
  CHECK(answers_by("{{ raise_exception('short') if messages | length < 5 }}x", kTwo)
            .find("is refused (T, line 1: the "
                  "template refuses the conversation: short)") != std::string::npos);
}

TEST_CASE("chat: answers that the template marks") {
  const std::string marks =
      "{% for m in messages %}{% if m.role == 'assistant' %}({% generation %}{{ m.content | trim }}"
      "</s>{% endgeneration %}){% else %}{{ m.content }}{% endif %}{% endfor %}";
  CHECK(answers_by(marks, kTwo) == "A</s>|B</s>");
  CHECK(answers_by(marks, kTwo, Answers::last) == "B</s>");
  auto weighed = kTwo;
  weighed[4].learn = false;
  CHECK(answers_by(marks, weighed) == "A</s>");
  CHECK(answers_by(marks, weighed, Answers::last).empty());
  const std::string once = "{% generation %}all{% endgeneration %}";
  CHECK(
      answers_by(once, weighed).starts_with("the chat template marks 1 stretches as spoken in a conversation with 2 "));
}

TEST_CASE("chat: what the template would leave out is refused") {
  const std::vector<ChatMessage> calls = {
      {"user", "U"},
      {"assistant", "", R"({"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f"}}]})"},
      {"tool", "5"}};
  CHECK(answers_by(kTurns, calls) == "message 2 has tool_calls, which T has no place for");
  const std::string reads = "{% for m in messages %}{{ m.content or m.tool_calls[0].function.name }}{% endfor %}";
  CHECK(answers_by(reads, calls) == "f");
  CHECK(error_of("chatml", calls) == "message 3 has the role 'tool', where system, user or assistant is expected");
  CHECK(answers_by(kTurns, {{"user", "U"}, {"assistant", "A", R"({"content": "A", "reasoning": "hm"})"}}) ==
        "message 2 has reasoning_content, which T has no place for");
  ChatOptions options;
  options.tools = R"([{"name": "f"}])";
  CHECK_THROWS_WITH_AS(render_chat(chat_template_of("chatml"), kTwo, options),
                       "there are tools, which the chat template chatml has no place for", Error);
  options.tools = "";
  const std::vector<ChatMessage> parts = {
      {"user", "", R"({"content": [{"type": "text", "text": "a<s>"}, {"type": "text", "text": "b"}]})"}};
  const ChatText joined = render_chat(chat_template_of("chatml"), parts, options);
  CHECK(joined.text == "<|im_start|>user\na<s>b<|im_end|>\n");
  CHECK(joined.contents == std::vector<TextRange>{{17, 22}});
  const std::string by_part = "{% for p in messages[0].content %}[{{ p.type }}:{{ p.text }}]{% endfor %}";
  CHECK(render_chat(read_chat_template(by_part, "T"), parts, options).text == "[text:a<s>][text:b]");
  CHECK_THROWS_WITH_AS(
      render_chat(chat_template_of("chatml"), {{"user", "", R"({"content": [{"type": "image"}]})"}}, {}),
      "message 1 has a part that is no text, which the chat template chatml has no place for", Error);
}

TEST_CASE("chat: the day, as date_string and strftime_now tell it") {
  const ChatTemplate chat = read_chat_template("{{ date_string }}, {{ strftime_now('%Y-%m-%d %A') }}", "T");
  CHECK(render_chat(chat, {{"user", ""}}, {}).text == "26 Jul 2024, 2024-07-26 Friday");
  CHECK(render_chat(chat, {{"user", ""}}, {.date = "2030-01-01"}).text == "2030-01-01, 2030-01-01 Tuesday");
  CHECK_THROWS_WITH_AS(render_chat(chat, {{"user", ""}}, {.date = "soon"}),
                       "'soon' is no day that the template could write: say 26 Jul 2024 or 2024-07-26", Error);
}

TEST_CASE("strip: blanks of Python's strip") {
  CHECK(strip("\u3000\u0085 \t\x1c x y\x1f\u2028\n") == "x y");
  CHECK(strip("\u180e\u200b") == "\u180e\u200b");
  CHECK(strip(" \n ").empty());
}
