// What a template finds without making it: filters, tests, methods of strings and dicts, functions.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "models/chat/jinja/ast.h"

namespace lowland::jinja {

// nullptr where there is none of this name.
Filter find_filter(std::string_view name);
Test find_test(std::string_view name);
// The function range, namespace, dict, raise_exception, strftime_now, joiner or cycler; undefined for another name.
Value find_function(std::string_view name);

bool has_method(const Value& self, std::string_view name);
// REQUIRES has_method.
Value call_method(Interpreter& run, const Value& self, const std::string& name, Arguments& arguments);

// The arguments of a call by the names of its parameters, in their order. Error: too many, unknown, twice, one of the
// first `required` missing.
class Parameters {
 public:
  Parameters(std::string_view function, const Arguments& arguments, std::initializer_list<const char*> names,
             size_t required = 0);
  bool given(size_t i) const { return values_[i] != nullptr; }
  const Value& operator[](size_t i) const { return *values_[i]; }  // REQUIRES given
  Value value(size_t i, Value otherwise) const { return given(i) ? *values_[i] : std::move(otherwise); }
  // Error: not of this kind.
  int64_t integer(size_t i, int64_t otherwise) const;
  bool flag(size_t i, bool otherwise) const { return given(i) ? truth(*values_[i]) : otherwise; }
  const Text& text(size_t i) const;                                        // REQUIRES given
  bool some(size_t i) const { return given(i) && !(*this)[i].is_none(); }  // given, and not none

 private:
  std::string_view function_;
  std::vector<const Value*> values_;
};

// --- texts, with what is known of their stretches
Text strip_text(const Text& text, const Text* characters, bool left, bool right);
std::vector<Text> split_text(const Text& text, const Text* separator, int64_t most, bool from_right);
std::vector<Text> split_lines(const Text& text, bool keep_ends);
Text replace_text(const Text& text, const Text& from, const Text& to, int64_t most, Budget& budget);
Text join_texts(const Text& separator, const std::vector<Text>& parts, Budget& budget);
enum class Case : uint8_t { upper, lower, capitalize, title, swap, fold };
Text change_case(const Text& text, Case to);
bool is_text(const Text& text, std::string_view question);  // isalpha, isdigit, isupper ...
Text repeat_text(const Text& text, int64_t times, Budget& budget);
// Python's str.format, and its % operator.
Text format_braces(Interpreter& run, const Text& text, const Arguments& arguments);
Text format_percent(const Text& text, const Value& arguments, Budget& budget);
// json.dumps with ensure_ascii, indent (negative: none), separators and sort_keys. Error: what JSON has no place for.
struct JsonStyle {
  bool ascii = false, sorted = false, indented = false;
  std::string indent, item = ", ", key = ": ";
};
Text to_json(const Value& value, const JsonStyle& style, Budget& budget);

// --- lists
std::vector<Value> sorted(Interpreter& run, std::vector<Value> items, const std::vector<Value>& keys, bool reverse);
// The items of path "a.b.0" of a value, one after another.
Value follow(Interpreter& run, Value value, const Value& path);

}  // namespace lowland::jinja
