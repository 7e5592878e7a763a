// A chat template on one conversation, with transformers' flags and the interpreter's own limits.
#include <nlohmann/json.hpp>

#include "models/chat/jinja/template.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

LL_FUZZ_TARGET(jinja) {
  static const auto variables = [] {
    jinja::Variables v;
    const auto all =
        nlohmann::ordered_json::parse(R"({"bos_token":"<s>","eos_token":"</s>","add_generation_prompt":true,
      "messages":[{"role":"system","content":"s"},{"role":"user","content":"a\nb"},{"role":"assistant","content":"c",
      "tool_calls":[{"function":{"name":"f","arguments":{"x":[1,2.5,null]}}}]}],"tools":[],"xs":[1,[2,[3]]],"n":7})");
    for (const auto& [key, value] : all.items()) v.emplace_back(key, jinja::from_json(value, true));
    return v;
  }();
  attempt([&] {
    const jinja::Template source(as_text(data, size), "template");
    source.render(variables, {}, {.steps = 200'000, .bytes = 4 << 20, .depth = 200});
  });
  return 0;
}
