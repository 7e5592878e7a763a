#include "apps/data/documents.h"

#include <fstream>

#include "engine/error.h"

namespace lowland {
namespace {

bool blank(const std::string& line) { return line.find_first_not_of(" \t\r") == std::string::npos; }

}  // namespace

void for_each_document(const std::vector<std::string>& files, bool line_by_line,
                       const std::function<void(const std::string& text)>& fn) {
  for (const std::string& file : files) {
    std::ifstream in(file, std::ios::binary);
    LL_CHECK(in.good(), "cannot read {}", file);
    bool any = false;
    std::string document;
    const auto end_document = [&] {
      if (document.empty()) return;
      fn(document);
      document.clear();
      any = true;
    };
    for (std::string line; std::getline(in, line);) {
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (!blank(line)) {
        if (!document.empty()) document += '\n';
        document += line;
      }
      if (blank(line) || line_by_line) end_document();
    }
    end_document();
    LL_CHECK(any, "{} holds no text", file);
  }
}

}  // namespace lowland
