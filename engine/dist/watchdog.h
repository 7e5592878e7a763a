// Watchdog: work that several processes have launched on their GPUs together ends when all of them are there, and a
// host that waits for it would wait for ever. A thread looks whether the oldest has ended; what has not within its time
// is late, and is given up: all work behind it ends with numbers that mean nothing, so who waited asks late() first.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace lowland::dist {

class Watchdog {
 public:
  // done: whether the work of this number has ended; give_up: lets all of it end. Both are called by another thread.
  Watchdog(double timeout_s, std::function<bool(size_t)> done, std::function<void()> give_up);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // name: what the work is, for a sentence: "[gradients, step 12]".
  void watch(size_t work, std::string name);
  // The name of what did not end in time; empty while there is none.
  std::string late() const;

 private:
  struct Work {
    size_t number;
    std::string name;
    double seconds = 0;  // that it has been the oldest
  };
  void look();
  const double timeout_s_;
  const std::function<bool(size_t)> done_;
  const std::function<void()> give_up_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> launched_;
  std::string late_;
  bool over_ = false;
  std::thread thread_;  // the last: it uses all others
};

}  // namespace lowland::dist
