// Runs a program on a terminal of its own, and tells what a person saw there.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "tests/apps/program.h"

namespace lowland::test {

// Once the output since the last of them holds `after` and so many bytes more, `keys` are typed.
struct Typed {
  std::string after, keys;
  size_t more = 0;
};

struct TerminalKind {
  int columns = 80;
  std::vector<std::pair<std::string, std::string>> environment = {};  // beside TERM=xterm
};

// stdin, stdout and stderr are the terminal; Outcome::out is all that was written there.
Outcome run_on_terminal(const std::string& program, const std::vector<std::string>& args, const TerminalKind& kind,
                        const std::vector<Typed>& typed = {});

// What such a terminal shows at the end: its lines, without colours. It knows \r, \n, \b, ESC[K and ESC[nm; a line that
// was ever longer than `columns` begins with "too long: ".
std::vector<std::string> screen_lines(const std::string& output, int columns);

}  // namespace lowland::test
