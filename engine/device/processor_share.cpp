#include "engine/device/processor_share.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

namespace lowland {
namespace {

// Of a processor's time: more than ticks of 10 ms in half a second may be wrong by, less than the half that another
// program gets beside a thread of ours.
constexpr double kWorthAThread = 0.4;
constexpr auto kPause = std::chrono::milliseconds(500);

std::vector<int> own_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> processors;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return processors;
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &set)) processors.push_back(i);
  return processors;
}

double busy_now(const std::vector<int>& processors) {
  std::ifstream in("/proc/stat");
  std::ostringstream text;
  text << in.rdbuf();
  return busy_seconds(text.str(), processors, static_cast<double>(sysconf(_SC_CLK_TCK)));
}

double own_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

}  // namespace

double busy_seconds(const std::string& stat, const std::vector<int>& which, double ticks_per_second) {
  std::istringstream in(stat);
  double ticks = 0;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("cpu") || line.size() < 4 || line[3] < '0' || line[3] > '9') continue;
    std::istringstream fields(line.substr(3));
    int processor = 0;
    fields >> processor;
    if (!std::binary_search(which.begin(), which.end(), processor)) continue;
    // user nice system idle iowait irq softirq steal, and two that user and nice hold already
    double field = 0;
    for (int i = 0; i < 8 && fields >> field; ++i)
      if (i != 3 && i != 4) ticks += field;
  }
  return ticks / ticks_per_second;
}

int idle_threads(double others, int threads) {
  const double left = std::floor(others + 1 - kWorthAThread);
  return std::clamp(static_cast<int>(std::min(left, 1e6)), 0, threads - 1);
}

ProcessorShare::ProcessorShare(int threads)
    : threads_(threads), processors_(own_processors()), last_(Clock::now()), next_(last_ + kPause) {
  busy_ = busy_now(processors_);
  own_ = own_seconds();
}

int ProcessorShare::idle() {
  if (const Clock::time_point now = Clock::now(); now >= next_) look(now);
  return idle_;
}

void ProcessorShare::look(Clock::time_point now) {
  const double busy = busy_now(processors_), own = own_seconds();
  const double spent = std::chrono::duration<double>(now - last_).count();
  const double others = (busy - busy_ - (own - own_)) / spent;
  // Processors that neither is using are there for the others first.
  const double spare = static_cast<double>(processors_.size()) - threads_;
  idle_ = idle_threads(others - spare, threads_);
  last_ = now;
  next_ = now + kPause;
  busy_ = busy;
  own_ = own;
}

}  // namespace lowland
