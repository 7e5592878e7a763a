// What a person types on a terminal, a line at a time: edited with the usual keys and with a history of the lines
// before, where the build has libedit; else as the terminal itself edits a line.
#pragma once
#include <memory>
#include <string>

namespace lowland::apps {

class LineEditor {
 public:
  enum class Read { line, end, interrupted };  // interrupted: by Ctrl-C; what was typed is gone

  LineEditor();
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // line: without its end. From stdin, the prompt on stdout.
  Read read(const std::string& prompt, std::string& line);

 private:
  struct Editor;
  std::unique_ptr<Editor> editor_;
};

}  // namespace lowland::apps
