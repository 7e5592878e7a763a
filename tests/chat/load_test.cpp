// Where a template is found.
#include <doctest/doctest.h>

#include <filesystem>

#include "engine/error.h"
#include "models/chat/chat_template.h"
#include "tests/tokenizers/support.h"

using namespace lowland;
using namespace lowland::test;
using nlohmann::json;

namespace {

std::string applied(const ChatTemplate& chat, const std::string& tools = "") {
  ChatOptions options;
  options.tools = tools;
  return apply_chat_template(chat, {{"user", "U"}}, options);
}

}  // namespace

TEST_CASE("load_chat_template: where a folder keeps its template") {
  const TemporaryFolder folder;
  const auto load = [&](const std::string& tools = "") { return applied(load_chat_template(folder.string()), tools); };
  CHECK_THROWS_WITH_AS(load(), doctest::Contains("no chat template here: neither chat_template.jinja, nor one in"),
                       Error);
  folder.write("tokenizer_config.json", "{\"bos_token\": null}");
  CHECK_THROWS_AS(load(), Error);
  folder.write("chat_template.json", json({{"chat_template", "1{{ messages[0].content }}"}}).dump());
  CHECK(load() == "1U");
  const json list = {{{"name", "tool_use"}, {"template", "tools {{ tools[0] }}"}},
                     {{"name", "default"}, {"template", "2{{ messages[0].content }}"}}};
  folder.write("tokenizer_config.json", json({{"chat_template", list}}).dump());
  CHECK(load() == "2U");
  CHECK(load("[\"t\"]") == "tools t");
  folder.write("tokenizer_config.json", json({{"chat_template", {list[0]}}}).dump());
  CHECK_THROWS_WITH_AS(load(), doctest::Contains("without one that is named default"), Error);
  folder.write("chat_template.jinja", "3\n");
  CHECK(load() == "3");
  CHECK(load_chat_template(folder.string()).name == (folder.path() / "chat_template.jinja").string());
  CHECK(applied(chat_template_of((folder.path() / "chat_template.jinja").string())) == "3");
  folder.write("chat_template.jinja", "\n{% if %}");
  CHECK_THROWS_WITH_AS(load(), doctest::Contains("chat_template.jinja, line 2: "), Error);
}

TEST_CASE("load_chat_template: a template that differs from a built-in one by its logic is itself") {
  const std::string roles =
      "{% for m in messages %}{{ '<|im_start|>' + m.role | capitalize + '\\n' + m.content + "
      "'<|im_end|>\\n' }}{% endfor %}";
  CHECK(applied(read_chat_template(roles, "T")) == "<|im_start|>User\nU<|im_end|>\n");
  const std::string skips =
      "{% for m in messages if m.role != 'system' %}<|im_start|>{{ m.content }}<|im_end|>{% "
      "endfor %}";
  CHECK(apply_chat_template(read_chat_template(skips, "T"), {{"system", "S"}, {"user", "U"}}, {}) ==
        "<|im_start|>U<|im_end|>");
}
