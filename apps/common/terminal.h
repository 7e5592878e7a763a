// What the place where a stream ends can show.
#pragma once

namespace lowland::apps {

// Whether lines can be redrawn there: a terminal, and not one that says TERM=dumb. fd: STDOUT_FILENO, STDERR_FILENO.
bool is_terminal(int fd);
// Whether colours are wanted there: on such a terminal, unless NO_COLOR is set to something (no-color.org).
bool has_colours(int fd);
int terminal_columns(int fd);  // 80 where nobody knows

}  // namespace lowland::apps
