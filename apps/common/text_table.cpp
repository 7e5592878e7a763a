#include "apps/common/text_table.h"

#include <algorithm>

#include "models/tokenizers/printable.h"

namespace lowland::apps {
namespace {

// Columns in characters: "–" is one, though it has three bytes.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string text_table(std::vector<std::vector<std::string>> rows) {
  for (auto& row : rows)
    for (std::string& cell : row) cell = printable(cell);
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - width_of(row[i]), ' ');
      line += i < 2 ? row[i] + pad + "  " : pad + row[i] + "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += (text.empty() ? "" : "\n") + line;
  }
  return text;
}

std::string markdown_table(const std::vector<std::vector<std::string>>& rows) {
  std::string text;
  for (size_t r = 0; r < rows.size(); ++r) {
    for (const std::string& cell : rows[r]) {
      text += "| ";
      for (const char c : printable(cell)) text += c == '|' ? std::string("\\|") : std::string(1, c);
      text += ' ';
    }
    text += "|\n";
    if (r > 0) continue;
    for (size_t i = 0; i < rows[r].size(); ++i) text += i < 2 ? "|---" : "|---:";
    text += "|\n";
  }
  return text;
}

}  // namespace lowland::apps
