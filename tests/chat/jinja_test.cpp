// The interpreter of templates: against Jinja itself (tests/golden/make_jinja_golden.py), its limits, its errors, and
// what it knows of where texts come from.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/chat/jinja/template.h"
#include "tests/tokenizers/support.h"

using namespace lowland;
using namespace lowland::test;
using nlohmann::ordered_json;

namespace {

std::tm day() {
  std::tm out{};
  out.tm_year = 124;
  out.tm_mon = 6;
  out.tm_mday = 26;
  out.tm_hour = 12;
  out.tm_wday = 5;
  return out;
}

jinja::Variables variables_of(const ordered_json& object, bool input = false) {
  jinja::Variables out;
  for (const auto& [key, value] : object.items()) out.emplace_back(key, jinja::from_json(value, input));
  return out;
}

jinja::Text render(const std::string& source, const ordered_json& variables = ordered_json::object(),
                   bool input = false) {
  return jinja::Template(source, "T").render(variables_of(variables, input), day());
}

std::string error_of(const std::string& source, const ordered_json& variables = ordered_json::object()) {
  try {
    return "no error, but " + render(source, variables).bytes.substr(0, 100);
  } catch (const Error& e) {
    return e.what();
  }
}

// The stretches of a text, joined by |.
std::string stretches(const jinja::Text& text, const jinja::Ranges& ranges) {
  std::string out;
  for (const TextRange& r : ranges) out += (out.empty() ? "" : "|") + text.bytes.substr(r.begin, r.end - r.begin);
  return out;
}

std::string input_of(const std::string& source) {
  const jinja::Text text = render(source, {{"x", " In "}, {"d", {{"k", "v"}}}, {"l", {"a", "b"}}}, true);
  return stretches(text, text.input);
}

}  // namespace

TEST_CASE("jinja: what Jinja renders, and what it refuses") {
  const ordered_json golden = ordered_json::parse(read_file(golden_folder() / "jinja_golden.json"));
  const jinja::Variables variables = variables_of(golden.at("variables"));
  CHECK(golden.at("cases").size() > 300);
  for (const ordered_json& c : golden.at("cases")) {
    const auto source = c.at(0).get<std::string>();
    CAPTURE(source);
    ordered_json got;
    std::string error;
    try {
      got = jinja::Template(source, "T").render(variables, day()).bytes;
    } catch (const Error& e) {
      error = e.what();
    }
    CAPTURE(error);
    CHECK(got == c.at(1));
    if (!error.empty()) CHECK(error.starts_with("T, line "));
  }
}

TEST_CASE("jinja: a template that never ends, or takes all memory, is refused with its line") {
  const std::string many = "{% for a in range(99999) %}{% for b in range(99999) %}";
  CHECK(error_of("\n" + many + "{% set x = a %}{% endfor %}{% endfor %}").starts_with("T, line 2: the template "));
  CHECK(error_of("{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}") ==
        "T, line 1: the template makes more than 40000000 bytes");
  CHECK(error_of("{{ 'a' * 9999999999 }}") == "T, line 1: the template takes more than 4000000 steps");
  CHECK(error_of("{{ [1] * 9999999999 }}") == "T, line 1: the template makes more than 40000000 bytes");
  CHECK(error_of("{{ 'a'.ljust(9999999999) }}") == "T, line 1: the template takes more than 4000000 steps");
  CHECK(error_of("{{ 'a' | indent(9999999999, true) }}") == "T, line 1: the template takes more than 4000000 steps");
  CHECK(error_of("{{ '%9999999999d' % 1 }}") == "T, line 1: a format is wider than 1000");
  CHECK(error_of("{% macro m() %}{{ m() }}{% endmacro %}\n\n{{ m() }}") ==
        "T, line 1: the template nests deeper than 600 levels");
  CHECK(error_of("{% set ns = namespace(x=[]) %}{% for i in range(999) %}{% set ns.x = [ns.x] %}{% endfor %}") ==
        "T, line 1: lists stand more than 200 levels within one another");
  // Twice as large in each turn, though each turn makes two small lists.
  CHECK(error_of("{% set ns = namespace(x=[]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"
                 "{{ ns.x | tojson }}")
            .starts_with("T, line 1: the template makes more than"));
  CHECK(error_of("{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}{{ ns.x.x.x }}") ==
        "no error, but <Namespace><Namespace>");
  CHECK(error_of("{% for i in range(99) %}{{ range(99999) | list | sort | length }}{% endfor %}")
            .starts_with("T, line 1: the template "));
  CHECK(error_of(std::string(100'000, '(')).starts_with("no error"));  // text, not a tag
  CHECK(error_of("{{ " + std::string(100'000, '(')) == "T, line 1: too many brackets within one another");
  CHECK(error_of("{{ " + std::string(100'000, '-') + "1 }}") ==
        "T, line 1: more than 200 brackets or blocks within one another");
  std::string sum = "{{ 1", ifs;
  for (int i = 0; i < 10'000; ++i) sum += " + 1", ifs += "{% if 1 %}";
  CHECK(error_of(sum + " }}") == "T, line 1: an expression of more than 400 parts within one another");
  CHECK(error_of(ifs) == "T, line 1: more than 200 brackets or blocks within one another");
  CHECK(error_of(std::string(2'000'000, ' ')) == "T: the chat template has 2000000 bytes, more than 1048576");
}

TEST_CASE("jinja: errors name the line and what is wrong") {
  CHECK(error_of("a\n{% if x %}\n{{ raise_exception('roles must alternate') }}{% endif %}", {{"x", true}}) ==
        "T, line 3: the template refuses the conversation: roles must alternate");
  CHECK(error_of("\n{{ y.z }}") == "T, line 2: 'y' is undefined");
  CHECK(error_of("{{ d.a.b }}", {{"d", {{"c", 1}}}}) == "T, line 1: a dict has no attribute 'a'");
  CHECK(error_of("{{ 'a' + 1 }}") == "T, line 1: a str and a int do not go together with +");
  CHECK(error_of("{{ x.append(1) }}", {{"x", {1}}}) == "T, line 1: a template may not change a list by .append");
  CHECK(error_of("{{ 9223372036854775807 + 1 }}") == "T, line 1: a number does not fit in 64 bits");
  CHECK(error_of("{{ 99999999999999999999 }}") == "T, line 1: '99999999999999999999' is no number of 64 bits");
  CHECK(error_of("{{ 1 | nosuch }}") == "T, line 1: there is no filter 'nosuch'");
  CHECK(error_of("\n{% foo %}") == "T, line 2: there is no tag {% foo %}");
  CHECK(error_of("{% if 1 %}\n") == "T, line 1: the template ends where {% endif %} is expected");
  CHECK(error_of("{% include 'x' %}") == "T, line 1: {% include %} has no place in a chat template");
  CHECK(error_of("{{ 'x }}") == "T, line 1: a text does not end");
  CHECK(error_of("{{ x ! }}") == "T, line 1: unexpected character '!'");
  CHECK(error_of("{{ a b }}") == "T, line 1: 'b' stands where }} is expected");
}

TEST_CASE("jinja: what came from outside is known through filters and methods") {
  CHECK(input_of("<{{ x }}>{{ 'a' }}") == " In ");
  CHECK(input_of("{{ '<|' + x | trim + '|>' }}") == "In");
  CHECK(input_of("{{ ('a' ~ x ~ 'b')[2:4] }}") == "In");
  CHECK(input_of("{{ x.split('n')[0] }}|{{ x | upper }}|{{ x.strip().lower() }}") == " I| IN |in");
  CHECK(input_of("{{ 'a,b'.replace(',', x) }}") == " In ");
  CHECK(input_of("{{ l | join('-') }}") == "a|b");
  CHECK(input_of("{{ 'k: {}'.format(x) }}{{ '%s!' % x }}") == " In  In ");
  CHECK(input_of("{{ d | tojson }}{{ {'a': 1} | tojson }}") == "{\"k\": \"v\"}");
  CHECK(input_of("{% set y %}a{{ x }}{% endset %}{% macro m(z) %}<{{ z }}>{% endmacro %}{{ m(y) }}") == " In ");
  CHECK(input_of("{% for c in x %}{{ c }}.{% endfor %}") == " |I|n| ");
  CHECK(input_of("{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}{{ l | length }}{{ x == 'a' }}") == "k|v");
}

TEST_CASE("jinja: what stands in generation, through macros and blocks too") {
  const auto spoken = [](const std::string& source) {
    const jinja::Text text = render(source);
    return stretches(text, text.spoken);
  };
  CHECK(spoken("a{% generation %}b{{ 'c' }}{% endgeneration %}d") == "bc");
  CHECK(spoken("{% macro m() %}x{% generation %}y{% endgeneration %}{% endmacro %}{{ '<' ~ m() }}{{ m() }}") == "y|y");
  CHECK(spoken("{% set s %}{% generation %} y {% endgeneration %}{% endset %}{{ s | trim }}") == "y");
}
