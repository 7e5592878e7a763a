#include "models/chat/jinja/template.h"

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/chat/jinja/interpreter.h"
#include "models/chat/jinja/parser.h"
#include "models/tokenizers/utf8.h"

namespace lowland::jinja {

struct Template::Program {
  std::vector<Stmt> body;
  std::set<std::string> words;
};

namespace {

constexpr size_t kLongestTemplate = 1 << 20;

}  // namespace

Template::Template(std::string_view source, std::string name) : name_(std::move(name)) {
  LL_CHECK(source.size() <= kLongestTemplate, "{}: the chat template has {} bytes, more than {}", name_, source.size(),
           kLongestTemplate);
  auto program = std::make_unique<Program>();
  try {
    Parser parser(read_tokens(utf8_repair(source)));
    program->body = parser.parse();
    program->words = std::move(parser).words();
  } catch (const Error& e) {
    fail("{}, {}", name_, e.what());
  }
  program_ = std::move(program);
}

Template::~Template() = default;

Text Template::render(Variables variables, const std::tm& now, const Limits& limits) const {
  Interpreter interpreter(limits, now);
  try {
    return interpreter.run(program_->body, std::move(variables));
  } catch (const Error& e) {
    fail("{}, line {}: {}", name_, interpreter.line(), e.what());
  }
}

bool Template::mentions(const std::string& word) const { return program_->words.contains(word); }

namespace {

Value value_of(const nlohmann::ordered_json& json, bool input, Budget& budget) {
  const Budget::Level level(budget);
  if (json.is_null()) return Value(None{});
  if (json.is_boolean()) return Value(json.get<bool>());
  if (json.is_string()) return Value(make_text(utf8_repair(json.get_ref<const std::string&>()), input));
  if (json.is_number_float()) return Value(json.get<double>());
  if (json.is_number_unsigned())
    LL_CHECK(json.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX), "the number {} does not fit in 64 bits",
             json.dump());
  if (json.is_number()) return Value(json.get<int64_t>());
  if (json.is_array()) {
    std::vector<Value> items;
    for (const auto& item : json) items.push_back(value_of(item, input, budget));
    return make_list(std::move(items), budget);
  }
  std::vector<std::pair<Value, Value>> items;
  for (const auto& [key, value] : json.items())
    items.emplace_back(Value(make_text(utf8_repair(key), input)), value_of(value, input, budget));
  return make_dict(std::move(items), budget, true);
}

}  // namespace

Value from_json(const nlohmann::ordered_json& json, bool input) {
  Budget budget({.steps = INT64_MAX, .bytes = INT64_MAX, .depth = Limits::nesting});
  return value_of(json, input, budget);
}

}  // namespace lowland::jinja
