// Mutated templates are rendered or refused with an Error; never a crash, a hang or all of the memory.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/chat/built_in_templates.h"
#include "models/chat/jinja/template.h"

using namespace lowland;
using nlohmann::ordered_json;

namespace {

std::string read_golden() { return read_file(std::string(LL_SOURCE_DIR) + "/tests/golden/jinja_golden.json"); }

const std::vector<std::string>& words() {
  static const std::vector<std::string> list = {"{{",
                                                "}}",
                                                "{%",
                                                "%}",
                                                "{%-",
                                                "-%}",
                                                "{% for x in xs recursive %}",
                                                "{% endfor %}",
                                                "{% if n %}",
                                                "{% endif %}",
                                                "{% set ns.x = ns.x ~ ns.x %}",
                                                "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                                                "loop(xs)",
                                                " | ",
                                                " ~ ",
                                                " * ",
                                                " ** ",
                                                "(",
                                                ")",
                                                "[",
                                                "]",
                                                "::-1]",
                                                ".split()",
                                                "range(99999)",
                                                "namespace()",
                                                "'",
                                                "\"",
                                                "\\",
                                                "9999999999",
                                                "| tojson",
                                                "| sort",
                                                "| list",
                                                "| map('upper')",
                                                "is ",
                                                "not ",
                                                "{#",
                                                "#}",
                                                "{% raw %}",
                                                "\xff",
                                                "\xf0\x9f\x91\x8d",
                                                "{% generation %}",
                                                "{% break %}",
                                                "'%s' %",
                                                ".format(n)"};
  return list;
}

std::string mutate(std::string text, std::mt19937& random, const std::string& other) {
  for (int changes = 1 + static_cast<int>(random() % 4); changes > 0; --changes) {
    const size_t at = text.empty() ? 0 : random() % text.size();
    switch (random() % 5) {
      case 0: text.insert(at, words()[random() % words().size()]); break;
      case 1: text.erase(at, 1 + random() % 8); break;
      case 2: text.insert(at, other.substr(random() % (other.size() + 1), random() % 40)); break;
      case 3: text.insert(at, text.substr(at, random() % 60)); break;
      default:
        if (!text.empty()) text[at] = static_cast<char>(random());
    }
  }
  return text;
}

}  // namespace

TEST_CASE("fuzz: mutated templates") {
  const ordered_json golden = ordered_json::parse(read_golden());
  jinja::Variables variables;
  for (const auto& [key, value] : golden.at("variables").items())
    variables.emplace_back(key, jinja::from_json(value, true));
  std::vector<std::string> seeds;
  for (const ordered_json& c : golden.at("cases")) seeds.push_back(c.at(0).get<std::string>());
  for (const BuiltInTemplate& t : built_in_templates()) seeds.push_back(t.jinja);
  std::mt19937 random(3);
  const jinja::Limits limits{.steps = 20'000, .bytes = 1'000'000, .depth = 200};
  int rendered = 0, refused = 0;
  for (int i = 0; i < 30'000; ++i) {
    const std::string source = mutate(seeds[random() % seeds.size()], random, seeds[random() % seeds.size()]);
    try {
      const jinja::Text text = jinja::Template(source, "T").render(variables, {}, limits);
      CHECK(text.bytes.size() <= 1'000'000);
      for (const jinja::Ranges* ranges : {&text.input, &text.spoken}) {
        size_t end = 0;
        for (const TextRange& r : *ranges) {
          if (r.begin < end || r.end <= r.begin || r.end > text.bytes.size())
            FAIL_CHECK("a stretch out of order: " << source);
          end = r.end;
        }
      }
      ++rendered;
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(rendered > 1000);
  CHECK(refused > 1000);
}
