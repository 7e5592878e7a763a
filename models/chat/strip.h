// Blanks around a text as Python's str.strip() and jinja's trim take them away: White_Space and U+001C to
// U+001F.
#pragma once
#include <string_view>

namespace lowland {

bool is_blank(char32_t code);
std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);
std::string_view strip(std::string_view text);

}  // namespace lowland
