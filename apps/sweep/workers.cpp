#include "apps/sweep/workers.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>

#include "engine/error.h"

namespace lowland::apps {
namespace {

bool send_all(int to, const std::string& text) {
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t n = ::send(to, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    sent += static_cast<size_t>(n);
  }
  return true;
}

// Up to the end of a line, which is left out. False at the end of what there is.
bool receive_line(int from, std::string& buffer, std::string& line) {
  for (;;) {
    if (const size_t end = buffer.find('\n'); end != std::string::npos) {
      line = buffer.substr(0, end);
      buffer.erase(0, end + 1);
      return true;
    }
    char part[4096];
    const ssize_t n = ::recv(from, part, sizeof part, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    buffer.append(part, static_cast<size_t>(n));
  }
}

struct Worker {
  int number = 0, socket = -1;
  pid_t process = 0;
  int64_t job = -1;
  std::string buffer;
};

[[noreturn]] void work(int socket, const std::string& log, const std::function<DoJob()>& begin) {
  int status = 0;
  try {
    if (std::freopen(log.c_str(), "a", stderr) == nullptr) ::_exit(1);
    const DoJob job = begin();
    std::string buffer;
    for (std::string line; receive_line(socket, buffer, line);)
      if (!send_all(socket, job(std::stoll(line)) + "\n")) break;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    status = 1;
  }
  std::fflush(stderr);
  ::_exit(status);  // nothing of the caller's is ended twice
}

// Of the caller's files a worker keeps none: a lock is held as long as anybody has its file open.
void close_all_but(int kept) {
  std::vector<int> open;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    open.push_back(std::stoi(entry.path().filename().string()));
  for (const int fd : open)
    if (fd > STDERR_FILENO && fd != kept) ::close(fd);
}

class Pool {
 public:
  explicit Pool(const WorkerPool& settings) : settings_(settings) {}
  ~Pool() {
    for (Worker& w : workers_) end(w, SIGKILL);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void run(const std::vector<int64_t>& jobs) {
    const auto wanted = std::min<int64_t>(settings_.workers, std::ssize(jobs));
    for (int number = 1; number <= wanted; ++number) workers_.push_back(begin(number));
    size_t next = 0, finished = 0;
    for (Worker& w : workers_) give(w, jobs[next++]);
    while (finished < jobs.size()) {
      Worker& w = ready();
      std::string line, died;
      const int64_t job = w.job;
      if (!receive_line(w.socket, w.buffer, line)) {
        died = end(w, 0);
        line.clear();
        w = begin(w.number);
      }
      w.job = -1;
      ++finished;
      if (next < jobs.size()) give(w, jobs[next++]);
      settings_.done(job, line, died);
    }
    for (Worker& w : workers_) end(w, 0);
  }

 private:
  Worker begin(int number) const {
    int ends[2];
    LL_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "no socket for a worker: {}",
             std::strerror(errno));
    std::fflush(nullptr);
    const pid_t caller = ::getpid(), child = ::fork();
    LL_CHECK(child >= 0, "no process for a worker: {}", std::strerror(errno));
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != caller) ::_exit(1);
      close_all_but(ends[1]);
      work(ends[1], settings_.log_folder + "/worker-" + std::to_string(number) + ".log", settings_.begin);
    }
    ::close(ends[1]);
    return {number, ends[0], child, -1, {}};
  }

  static void give(Worker& w, int64_t job) {
    w.job = job;
    send_all(w.socket, std::to_string(job) + "\n");  // where it died, its end is read next
  }

  // One that has something to say, or died over a job.
  Worker& ready() {
    for (;;) {
      std::vector<pollfd> open;
      for (const Worker& w : workers_) open.push_back({w.job >= 0 ? w.socket : -1, POLLIN, 0});
      if (::poll(open.data(), open.size(), -1) < 0) {
        LL_CHECK(errno == EINTR, "waiting for the workers: {}", std::strerror(errno));
        continue;
      }
      for (size_t i = 0; i < open.size(); ++i)
        if (open[i].revents != 0) return workers_[i];
    }
  }

  // How it ended, a piece of a sentence. signal: 0 asks it to end, by the end of its jobs.
  static std::string end(Worker& w, int signal) {
    if (w.process == 0) return "";
    ::close(w.socket);
    if (signal != 0) ::kill(w.process, signal);
    int status = 0;
    while (::waitpid(w.process, &status, 0) < 0 && errno == EINTR) {}
    w.process = 0;
    w.socket = -1;
    if (WIFSIGNALED(status)) return fmt::format("was ended by signal {}", WTERMSIG(status));
    return fmt::format("ended with exit code {}", WEXITSTATUS(status));
  }

  const WorkerPool& settings_;
  std::vector<Worker> workers_;
};

}  // namespace

void do_jobs(const std::vector<int64_t>& jobs, const WorkerPool& pool) {
  if (!jobs.empty()) Pool(pool).run(jobs);
}

}  // namespace lowland::apps
