#include "apps/data/documents.h"

#include "apps/data/text_file.h"
#include "engine/error.h"

namespace lowland {

void for_each_document(const std::vector<std::string>& files, bool line_by_line,
                       const std::function<void(const std::string& text)>& fn) {
  for (const std::string& file : files) {
    LineReader in(file);
    bool any = false;
    std::string document;
    const auto end_document = [&] {
      if (document.empty()) return;
      fn(document);
      document.clear();
      any = true;
    };
    for (std::string line; in.next(line);) {
      const bool blank = is_blank(line);
      if (!blank) {
        if (!document.empty()) document += '\n';
        document += line;
      }
      if (blank || line_by_line) end_document();
    }
    end_document();
    LL_CHECK(any, "{} holds no text", file);
  }
}

}  // namespace lowland
