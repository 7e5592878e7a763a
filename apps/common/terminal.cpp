#include "apps/common/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "kernels/common/environment.h"

namespace lowland::apps {

bool is_terminal(int fd) { return isatty(fd) != 0 && environment::Variable{"TERM"}.value() != "dumb"; }

bool has_colours(int fd) { return is_terminal(fd) && environment::Variable{"NO_COLOR"}.value().empty(); }

int terminal_columns(int fd) {
  winsize size{};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace lowland::apps
