// A chat template of Hugging Face, a Jinja program, as transformers runs it: with break and continue, {% generation %},
// trim_blocks and lstrip_blocks, json.dumps for tojson, raise_exception and strftime_now; without include and
// import. Start here; then lexer.h, ast.h, parser.h, interpreter.h, functions.h.
#pragma once
#include <ctime>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/chat/jinja/value.h"

namespace lowland::jinja {

using Variables = std::vector<std::pair<std::string, Value>>;

// Immutable: threads may share one.
class Template {
 public:
  // name: of the file, for errors. Error, "{name}, line 3: ...": the text is no template.
  Template(std::string_view source, std::string name);
  ~Template();

  // Error, with name and line: what Python would raise, raise_exception, a limit. now: what strftime_now tells.
  Text render(Variables variables, const std::tm& now, const Limits& limits = {}) const;
  // Whether a name, attribute or text in quotes of it is this word; of "{% generation %}", whether that tag is there.
  bool mentions(const std::string& word) const;
  const std::string& name() const { return name_; }

 private:
  struct Program;
  std::string name_;
  std::unique_ptr<const Program> program_;
};

// input: its texts come from outside, no special token is to be made of them. Error: a number beyond 64 bits, lists
// within lists beyond the limit.
Value from_json(const nlohmann::ordered_json& json, bool input);

}  // namespace lowland::jinja
