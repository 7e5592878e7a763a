#include "tests/apps/terminal.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>

namespace lowland::test {
namespace {

[[noreturn]] void become(std::string program, std::vector<std::string> args, const TerminalKind& kind, int terminal) {
  setsid();
  ioctl(terminal, TIOCSCTTY, 0);
  winsize size{};
  size.ws_col = static_cast<unsigned short>(kind.columns);
  size.ws_row = 24;
  ioctl(terminal, TIOCSWINSZ, &size);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(terminal, fd);
  setenv("TERM", "xterm", 1);
  unsetenv("NO_COLOR");
  for (const auto& [name, value] : kind.environment) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> argv{program.data()};
  for (std::string& a : args) argv.push_back(a.data());
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  _exit(127);
}

}  // namespace

Outcome run_on_terminal(const std::string& program, const std::vector<std::string>& args, const TerminalKind& kind,
                        const std::vector<Typed>& typed) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  REQUIRE((master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0));
  const int terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
  REQUIRE(terminal >= 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) become(program, args, kind, terminal);
  close(terminal);
  Outcome o;
  size_t next = 0, since = 0;
  char part[4096];
  for (ssize_t n = 0; (n = read(master, part, sizeof part)) > 0;) {  // an error once the program is gone
    o.out.append(part, static_cast<size_t>(n));
    if (next == typed.size()) continue;
    const size_t found = o.out.find(typed[next].after, since);
    if (found == std::string::npos || found + typed[next].more > o.out.size()) continue;
    since = o.out.size();
    const std::string& keys = typed[next++].keys;
    REQUIRE(write(master, keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  close(master);
  o.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return o;
}

std::vector<std::string> screen_lines(const std::string& output, int columns) {
  std::vector<std::vector<std::string>> lines(1);  // characters of each
  std::vector<bool> too_long(1);
  size_t at = 0;
  for (size_t i = 0; i < output.size();) {
    std::vector<std::string>& line = lines.back();
    const char c = output[i];
    if (c == '\033' && i + 1 < output.size() && output[i + 1] == '[') {
      size_t end = i + 2;
      while (end < output.size() && (output[end] < '@' || output[end] > '~')) ++end;
      if (output[end] == 'K') line.resize(std::min(at, line.size()));
      i = end + 1;
      continue;
    }
    size_t bytes = 1;
    while (i + bytes < output.size() && (output[i + bytes] & 0xC0) == 0x80) ++bytes;
    if (c == '\n') {
      lines.emplace_back();
      too_long.push_back(false);
      at = 0;
    } else if (c == '\r') {
      at = 0;
    } else if (c == '\b') {
      at -= at > 0 ? 1 : 0;
    } else {
      if (line.size() <= at) line.resize(at + 1, " ");
      line[at++] = output.substr(i, bytes);
      if (at > static_cast<size_t>(columns)) too_long.back() = true;
    }
    i += bytes;
  }
  std::vector<std::string> text;
  for (size_t k = 0; k < lines.size(); ++k) {
    std::string& line = text.emplace_back(too_long[k] ? "too long: " : "");
    for (const std::string& character : lines[k]) line += character;
  }
  return text;
}

}  // namespace lowland::test
