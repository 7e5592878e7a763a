// What the readers of tokenizer.json's components share. Each kind of component has a table of its kinds: a name and
// the function that makes it.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "engine/error.h"

namespace lowland {

// The part of an object, null where it has none.
const nlohmann::json& json_part(const nlohmann::json& object, const char* key);
// The text there, "" where it has none or null.
std::string json_text(const nlohmann::json& object, const char* key);
// The bytes of a text in base64; of a list of numbers, as old files have them.
std::string json_base64(const nlohmann::json& value, const std::string& source);
bool base64_decode(std::string_view text, std::string& out);
// The name of a component.
std::string json_type(const nlohmann::json& component);

// Makes a component by its row in a table of {name, make(component, source)}. what: `normalizer`, for the error.
template <class Made, class Table>
Made make_component(const Table& table, const nlohmann::json& component, const char* what, const std::string& source) {
  const std::string type = json_type(component);
  for (const auto& kind : table) {
    if (type == kind.name) return kind.make(component, source);
  }
  fail("{}: {} {} is not reproduced", source, what, type);
}

}  // namespace lowland
