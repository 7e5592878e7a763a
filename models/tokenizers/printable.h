// Text from files and models, made fit for a terminal.
#pragma once
#include <string>
#include <string_view>

namespace lowland {

// Control characters as `\n`, `\t`, `\x1b`, `\x9b`, and bytes that are no UTF-8 as `\xe9`: a terminal obeys none of
// them. All else as it is.
std::string printable(std::string_view text);

// The same, but lines stay lines, and TABs TABs.
std::string printable_lines(std::string_view text);

}  // namespace lowland
