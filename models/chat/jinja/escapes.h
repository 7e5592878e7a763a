// Escapes of a text in quotes, as Python has them.
#pragma once
#include <string>
#include <string_view>

namespace lowland::jinja {

// Appends what `quoted` stands for; what is wrong with it, or nullptr.
const char* unescape(std::string_view quoted, std::string& out);

}  // namespace lowland::jinja
