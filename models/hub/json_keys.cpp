#include "models/hub/json_keys.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/hub/config_limits.h"

namespace lowland {

void refuse_json(const std::string& text, const std::string& file, size_t byte) {
  if (byte == 0) fail("{}: not valid JSON", file);
  const auto end = text.begin() + std::min(byte, text.size());
  fail("{}:{}: not valid JSON{}", file, 1 + std::count(text.begin(), end, '\n'),
       byte > text.size() ? " (is the file cut off?)" : "");
}

JsonKeys::JsonKeys(const std::string& text, std::string file) : file_(std::move(file)), root_(parse_json(text, file_)) {
  LL_CHECK(root_.is_object(), "{} is not a JSON object", file_);
}

bool is_off(const nlohmann::ordered_json& value) {
  return value.is_null() || value == false || (value.is_structured() && value.empty());
}

bool JsonKeys::told(const char* key) const {
  asked_.insert(key);
  return root_.contains(key);
}

std::vector<std::string> JsonKeys::unasked() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : root_.items())
    if (!is_off(value) && !asked_.contains(key)) keys.push_back(key);
  return keys;
}

void JsonKeys::refuse(const char* key, const std::string& why) const { fail("{}: {} {}", file_, key, why); }

int64_t JsonKeys::whole(const char* key, int64_t otherwise) const {
  if (!has(key)) return otherwise;
  const double x = number(key, 0);
  if (x != std::floor(x) || std::abs(x) > 1e15) refuse(key, fmt::format("is {}, not a whole number", at(key).dump()));
  const auto most = static_cast<double>(config_limit(key));
  if (std::abs(x) > most) refuse(key, fmt::format("is {}, and may be at most {:.0f}", at(key).dump(), most));
  return static_cast<int64_t>(x);
}

double JsonKeys::number(const char* key, double otherwise) const {
  if (!has(key)) return otherwise;
  if (!at(key).is_number()) refuse(key, fmt::format("is {}, not a number", at(key).dump()));
  const double x = at(key).get<double>();
  if (!std::isfinite(x)) refuse(key, "is not finite");
  return x;
}

bool JsonKeys::flag(const char* key, bool otherwise) const {
  if (!has(key)) return otherwise;
  if (!at(key).is_boolean()) refuse(key, fmt::format("is {}, not true or false", at(key).dump()));
  return at(key).get<bool>();
}

std::string JsonKeys::text(const char* key, const std::string& otherwise) const {
  if (!has(key)) return otherwise;
  if (!at(key).is_string()) refuse(key, fmt::format("is {}, not a text", at(key).dump()));
  return at(key).get<std::string>();
}

std::vector<std::string> JsonKeys::texts(const char* key) const {
  std::vector<std::string> list;
  if (!has(key)) return list;
  if (!at(key).is_array()) refuse(key, "is not a list");
  for (const auto& item : at(key)) {
    if (!item.is_string()) refuse(key, fmt::format("holds {}, not a text", item.dump()));
    list.push_back(item.get<std::string>());
  }
  return list;
}

}  // namespace lowland
