// A table for a terminal or a file of text.
#pragma once
#include <string>
#include <vector>

namespace lowland::apps {

// Columns as wide as their longest cell; the first two flush left, the others right. Control characters are shown as
// what they are. A line a row, without the last line's end. REQUIRES a row; all are equally long.
std::string text_table(std::vector<std::vector<std::string>> rows);

// The same as a table of Markdown, the first row its headings; with the last line's end.
std::string markdown_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace lowland::apps
