// Records of a JSON file, one at a time: lines with an object each, or one list of objects, however large.
#pragma once
#include <functional>
#include <string>

#include <nlohmann/json.hpp>

namespace lowland {

// where: "file:line", of a list "file:line (record 3)", counted from 1. Error, naming the place: not JSON, something
// else than objects, no record at all.
void for_each_json_record(const std::string& file,
                          const std::function<void(const nlohmann::json& record, const std::string& where)>& fn);

// Of a record's field. Error, naming `where`: not a text.
std::string text_of(const nlohmann::json& record, const char* key, const std::string& where);
std::string text_of(const nlohmann::ordered_json& record, const char* key, const std::string& where);
// A text, or a number as it is written.
std::string text_or_number(const nlohmann::json& value, const char* key, const std::string& where);

}  // namespace lowland
