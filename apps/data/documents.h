// Plain text for pretraining: files of documents, which are runs of lines between blank lines, or single lines.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace lowland {

// Calls fn with each document of each file, its lines joined by newlines. Throws Error on a file that cannot be read
// and on one that holds no text.
void for_each_document(const std::vector<std::string>& files, bool line_by_line,
                       const std::function<void(const std::string& text)>& fn);

}  // namespace lowland
