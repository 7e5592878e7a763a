#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "apps/common/process.h"
#include "engine/error.h"
#include "kernels/common/environment.h"

namespace lowland::apps {
namespace {

using Clock = std::chrono::steady_clock;

// What a signal's handler can reach.
volatile std::sig_atomic_t asked = 0;
void note(int number) { asked = number; }

std::string reason() { return std::system_category().message(errno); }

// A socket that listens at a free port of this host alone. Only the process that is to have it keeps it.
int listen_here(int& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || ::bind(fd, any, size) != 0 || ::listen(fd, 1024) != 0 || ::getsockname(fd, any, &size) != 0)
    fail("--nproc: no port can be listened at: {}", reason());
  port = ntohs(address.sin_port);
  return fd;
}

std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> args;
  for (std::string arg; std::getline(file, arg, '\0');) args.push_back(arg);
  return args;
}

// Of process `index`; never returns.
[[noreturn]] void become(int index, int n, int listener, int port, pid_t parent, const std::string& program,
                         std::vector<std::string> args) {
  using namespace environment;
  ::setpgid(0, 0);  // signals of the terminal come from the parent, once
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  const std::string rank = std::to_string(index), world = std::to_string(n);
  for (const auto& [name, value] : {std::pair{kRanks[0].rank, rank},
                                    {kRanks[0].world, world},
                                    {kRanks[0].local, rank},
                                    {kRanks[0].local_world, world}})
    Variable{name}.set(value);
  kMasterAddress.set("127.0.0.1");
  kMasterPort.set(std::to_string(port));
  kStartedHere.set("1");
  kListener.set(index == 0 ? std::to_string(listener) : "");
  if (index == 0) ::fcntl(listener, F_SETFD, 0);
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  ::_exit(127);
}

}  // namespace

int run_processes(int n) {
  int port = 0;
  const int listener = listen_here(port);
  const std::vector<std::string> args = own_arguments();
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const pid_t parent = ::getpid();
  std::vector<pid_t> running;
  const auto pass_on = [&](int number) {
    for (const pid_t child : running) ::kill(child, number);
  };
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, note);
  for (int i = 0; i < n; ++i) {
    const pid_t child = ::fork();
    if (child == 0) become(i, n, listener, port, parent, program, args);
    if (child < 0) {
      pass_on(SIGKILL);
      fail("--nproc {}: process {} cannot be started: {}", n, i, reason());
    }
    running.push_back(child);
  }
  ::close(listener);
  int code = 0, passed = 0;
  Clock::time_point failed;
  while (!running.empty()) {
    int status = 0;
    const pid_t child = ::waitpid(-1, &status, WNOHANG);
    if (asked != 0) {
      pass_on(asked);
      asked = 0;
    }
    if (child > 0) {
      std::erase(running, child);
      const int ended = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      if (ended != 0 && code == 0) {
        code = ended;
        failed = Clock::now();
      }
      continue;
    }
    // The others notice by themselves and say so; who does not is ended.
    constexpr std::chrono::seconds kGrace{15};
    if (code != 0 && Clock::now() - failed > kGrace * (passed + 1)) pass_on(passed++ == 0 ? SIGTERM : SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return code;
}

}  // namespace lowland::apps
