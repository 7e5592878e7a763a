#include "apps/common/line_editor.h"

#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>

#ifdef LOWLAND_LIBEDIT
#include <histedit.h>
#endif

namespace lowland::apps {
namespace {

// A signal's handler can reach nothing else.
volatile std::sig_atomic_t interrupted = 0;

// While a line is read, Ctrl-C interrupts the reading.
class CtrlC {
 public:
  CtrlC() {
    interrupted = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted = 1; };  // without SA_RESTART: read() returns
    sigaction(SIGINT, &action, &before_);
  }
  ~CtrlC() { sigaction(SIGINT, &before_, nullptr); }
  CtrlC(const CtrlC&) = delete;
  CtrlC& operator=(const CtrlC&) = delete;

 private:
  struct sigaction before_ {};
};

// One byte. False at the end, and when Ctrl-C comes.
bool read_byte(char& c) {
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, &c, 1);
    if (n == 1) return true;
    if (n == 0 || errno != EINTR || interrupted != 0) return false;
  }
}

}  // namespace

#ifdef LOWLAND_LIBEDIT

struct LineEditor::Editor {
  EditLine* edit = nullptr;
  History* history = nullptr;
  std::string prompt;

  Editor() {
    std::setlocale(LC_CTYPE, "");  // libedit works on wide characters
    if (MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
    edit = el_init("lowland", stdin, stdout, stderr);
    history = history_init();
    if (edit == nullptr || history == nullptr) return;
    HistEvent event;
    ::history(history, &event, H_SETSIZE, 1000);
    ::history(history, &event, H_SETUNIQUE, 1);
    el_set(edit, EL_CLIENTDATA, this);
    el_set(
        edit, EL_PROMPT, +[](EditLine* e) {
          Editor* self = nullptr;
          el_get(e, EL_CLIENTDATA, &self);
          return self->prompt.data();
        });
    el_set(edit, EL_EDITOR, "emacs");
    el_set(edit, EL_HIST, ::history, history);
    el_set(
        edit, EL_GETCFN, +[](EditLine*, wchar_t* to) { return read_character(*to); });
    el_set(edit, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  }
  ~Editor() {
    if (history != nullptr) history_end(history);
    if (edit != nullptr) el_end(edit);
  }

  // 1, 0 at the end, -1 when Ctrl-C comes; bytes that are no character are passed over.
  static int read_character(wchar_t& to) {
    std::mbstate_t state{};
    for (char c = 0;;) {
      if (!read_byte(c)) return interrupted != 0 ? -1 : 0;
      const size_t used = std::mbrtowc(&to, &c, 1, &state);
      if (used == static_cast<size_t>(-1)) {
        state = {};
      } else if (used != static_cast<size_t>(-2)) {
        return 1;
      }
    }
  }

  Read read(const std::string& shown, std::string& line) {
    prompt = shown;
    int count = 0;
    const char* text = el_gets(edit, &count);
    if (interrupted != 0) {
      std::fputs("^C\n", stdout);
      return Read::interrupted;
    }
    if (text == nullptr || count <= 0) return Read::end;
    line.assign(text, static_cast<size_t>(count));
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    HistEvent event;
    if (!line.empty()) ::history(history, &event, H_ENTER, line.c_str());
    return Read::line;
  }
};

#else

struct LineEditor::Editor {
  static Read read(const std::string& prompt, std::string& line) {
    std::fputs(prompt.c_str(), stdout);
    std::fflush(stdout);
    line.clear();
    for (char c = 0; read_byte(c);) {
      if (c == '\n') return Read::line;
      line += c;
    }
    if (interrupted != 0) {
      std::fputs("\n", stdout);
      return Read::interrupted;
    }
    return line.empty() ? Read::end : Read::line;
  }
};

#endif

LineEditor::LineEditor() : editor_(std::make_unique<Editor>()) {}
LineEditor::~LineEditor() = default;

LineEditor::Read LineEditor::read(const std::string& prompt, std::string& line) {
  const CtrlC guard;
  return editor_->read(prompt, line);
}

}  // namespace lowland::apps
