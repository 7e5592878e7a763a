#include "apps/common/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace lowland::apps {

bool is_terminal(int fd) {
  const char* kind = std::getenv("TERM");
  return isatty(fd) != 0 && (kind == nullptr || std::string_view(kind) != "dumb");
}

bool has_colours(int fd) {
  const char* none = std::getenv("NO_COLOR");
  return is_terminal(fd) && (none == nullptr || *none == '\0');
}

int terminal_columns(int fd) {
  winsize size{};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace lowland::apps
