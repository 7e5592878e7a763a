// Recognising a folder's own template. tests/golden/check_chat.py does it with the published ones.
#include <doctest/doctest.h>

#include "engine/error.h"
#include "models/chat/chat_template.h"
#include "models/chat/jinja_texts.h"
#include "tests/tokenizers/support.h"

using namespace lowland;
using namespace lowland::test;
using nlohmann::json;

namespace {

const std::string kChatml =
    "{%- for m in messages -%}\n  {{- '<|im_start|>' + m.role + \"\\n\" + m.content + '<|im_end|>\\n' "
    "-}}\n{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}";

std::string name_or_error(const std::string& jinja) {
  try {
    return name_of(recognise_chat_template(jinja, "T"));
  } catch (const Error& e) {
    return e.what();
  }
}

std::string changed(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("jinja texts: literals, what stands between tags, branches for tools") {
  const JinjaTexts found = read_jinja(
      "{# 'no' #}\n{% if x['key'] == 'a' %}\n  {{ 'b\\n' + \"c'\" }} d\r\n{%- elif tools %}{{ 'e }}' }}{% "
      "else %}{{ 'f' }}"
      "{% endif %}{{ raise_exception('g') }}\n");
  std::string texts;
  for (const auto& text : found.texts) texts += (text.tools ? "tool:" : "") + text.text + "|";
  CHECK(texts == "b\n|c'|tool:e }}|f|");
  CHECK(found.between == std::vector<std::string>{"  ", " d"});
  CHECK(found.code.starts_with("{%ifx['key']=='a'%}{{'b\n'+'c''}}{%eliftools%}"));
}

TEST_CASE("detect: a form of its own of chatml, and changes that make it another template") {
  CHECK(name_or_error(kChatml) == "chatml");
  CHECK(name_or_error(changed(kChatml, "'<|im_end|>\\n'", "'<|im_end|>' + '\\n'")) == "chatml");
  for (const auto& change : {std::pair<std::string, std::string>{"'<|im_end|>\\n'", "'<|im_end|>'+' '"},
                             {"m.content", "m.content | trim"},
                             {"{%- for", "{{ bos_token }}{%- for"},
                             {"<|im_start|>assistant", "<|im_start|>model"},
                             {"-}}\n{%- endfor -%}", "}}x{% endfor %}"},
                             {"<|im_end|>", "<|end|>"}}) {
    CAPTURE(change.second);
    CHECK(name_or_error(changed(kChatml, change.first, change.second))
              .starts_with("T: its chat template is none of the built-in ones: name the one to use with "
                           "--chat-template"));
  }
  CHECK(name_or_error("").starts_with("T: its chat template is none"));
  CHECK(name_or_error("{{ 'x").starts_with("T: its chat template is none"));
}

TEST_CASE("detect: where a folder keeps its template") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH_AS(detect_chat_template(folder.string()),
                       doctest::Contains("no chat template here: neither chat_template.jinja, nor one in"), Error);
  folder.write("tokenizer_config.json", "{\"bos_token\": null}");
  CHECK_THROWS_AS(detect_chat_template(folder.string()), Error);
  folder.write("chat_template.json", json({{"chat_template", kChatml}}).dump());
  CHECK(name_of(detect_chat_template(folder.string())) == "chatml");
  const json list = {{{"name", "tool_use"}, {"template", "x"}}, {{"name", "default"}, {"template", kChatml}}};
  folder.write("tokenizer_config.json", json({{"chat_template", list}}).dump());
  CHECK(name_of(detect_chat_template(folder.string())) == "chatml");
  folder.write("tokenizer_config.json", json({{"chat_template", {list[0]}}}).dump());
  CHECK_THROWS_WITH_AS(detect_chat_template(folder.string()), doctest::Contains("without one that is named default"),
                       Error);
  folder.write("chat_template.jinja", "other");
  CHECK_THROWS_WITH_AS(detect_chat_template(folder.string()),
                       doctest::Contains("chat_template.jinja: its chat template is none"), Error);
}
