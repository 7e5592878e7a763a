#include "models/tokenizers/json_parts.h"

namespace lowland {
namespace {

// -1 for a character that is not of the alphabet.
int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

using nlohmann::json;

const json& json_part(const json& object, const char* key) {
  static const json none = nullptr;
  return object.is_object() && object.contains(key) ? object.at(key) : none;
}

std::string json_text(const json& object, const char* key) {
  const json& part = json_part(object, key);
  return part.is_null() ? std::string() : part.get<std::string>();
}

std::string json_base64(const json& value, const std::string& source) {
  std::string out;
  if (value.is_null()) return out;
  if (value.is_array()) {
    for (const json& byte : value) out.push_back(static_cast<char>(byte.get<uint8_t>()));
    return out;
  }
  LL_CHECK(base64_decode(value.get_ref<const std::string&>(), out), "{}: the character map is not in base64", source);
  return out;
}

bool base64_decode(std::string_view text, std::string& out) {
  out.clear();
  uint32_t bits = 0;
  int held = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    const int value = base64_value(c);
    if (value < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(value);
    held += 6;
    if (held >= 8) out.push_back(static_cast<char>(bits >> (held -= 8) & 0xFF));
  }
  return true;
}

std::string json_type(const json& component) {
  return component.is_object() ? component.value("type", std::string("without a type")) : "none";
}

}  // namespace lowland
