// Reading JSON files that users and other programs wrote: every error names file and key.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/error.h"

namespace lowland {

// Throws the Error "FILE:LINE: not valid JSON". byte: where reading ended, from 1; 0: unknown.
[[noreturn]] void refuse_json(const std::string& text, const std::string& file, size_t byte);

// Error if the text is not JSON.
template <class Json = nlohmann::ordered_json> Json parse_json(const std::string& text, const std::string& file) {
  try {
    return Json::parse(text);
  } catch (const typename Json::parse_error& e) {
    refuse_json(text, file, e.byte);
  } catch (const typename Json::exception&) {  // a number out of range
    refuse_json(text, file, 0);
  }
}

// Null, false, an empty list or object: a setting that is not set.
bool is_off(const nlohmann::ordered_json& value);

// Remembers which keys were asked for: what is left is what nobody reads (config_keys.h).
class JsonKeys {
 public:
  // Keeps the order of the keys. Error if the text is not a JSON object.
  JsonKeys(const std::string& text, std::string file);

  const nlohmann::ordered_json& root() const { return root_; }
  const std::string& file() const { return file_; }
  bool told(const char* key) const;                                               // null counts
  bool has(const char* key) const { return told(key) && !root_[key].is_null(); }  // null is like absent
  const nlohmann::ordered_json& at(const char* key) const { return root_[key]; }

  int64_t whole(const char* key, int64_t otherwise) const;
  double number(const char* key, double otherwise) const;
  bool flag(const char* key, bool otherwise) const;
  std::string text(const char* key, const std::string& otherwise) const;
  std::vector<std::string> texts(const char* key) const;  // a list of strings; empty if absent

  // Keys that make no difference to who reads, as good as asked for.
  void know(std::initializer_list<const char*> keys) const { asked_.insert(keys.begin(), keys.end()); }
  // Keys that were not asked for and are not off.
  std::vector<std::string> unasked() const;

  [[noreturn]] void refuse(const char* key, const std::string& why) const;

 private:
  std::string file_;
  nlohmann::ordered_json root_;
  mutable std::set<std::string> asked_;
};

}  // namespace lowland
