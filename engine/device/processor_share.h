// ProcessorShare: how many of a machine's processors other programs keep busy, as the system counts (/proc/stat), so
// that computation can leave those to them. Two threads of equal shares, one on a processor that another program wants
// too, take as long as that one takes: twice the time, and more where shares are small, since each ends with a wait.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace lowland {

// The time, in seconds, that the processors in `which` spent on anything, by the text of /proc/stat. 0 where it says
// nothing of them.
double busy_seconds(const std::string& stat, const std::vector<int>& which, double ticks_per_second);

// Of `threads` that would keep as many processors busy: how many to leave idle when others took `others` processors'
// time. At least one goes on.
int idle_threads(double others, int threads);

class ProcessorShare {
 public:
  explicit ProcessorShare(int threads);
  // How many of the threads are to idle. Looks again after half a second, costs a look at the clock otherwise.
  int idle();

 private:
  using Clock = std::chrono::steady_clock;
  void look(Clock::time_point now);

  int threads_, idle_ = 0;
  std::vector<int> processors_;  // that this process may use
  Clock::time_point last_, next_;
  double busy_ = 0, own_ = 0;  // seconds, when it looked last
};

}  // namespace lowland
