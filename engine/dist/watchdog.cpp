#include "engine/dist/watchdog.h"

#include <algorithm>
#include <chrono>

namespace lowland::dist {

using Clock = std::chrono::steady_clock;

Watchdog::Watchdog(double timeout_s, std::function<bool(size_t)> done, std::function<void()> give_up)
    : timeout_s_(timeout_s), done_(std::move(done)), give_up_(std::move(give_up)), thread_([this] { look(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watchdog::watch(size_t work, std::string name) {
  {
    const std::lock_guard lock(mutex_);
    launched_.push_back({work, std::move(name)});
  }
  changed_.notify_all();
}

std::string Watchdog::late() const {
  const std::lock_guard lock(mutex_);
  return late_;
}

// A tenth of the time at most goes by between two looks, and work may end that much later than it should.
void Watchdog::look() {
  const std::chrono::duration<double> pause(std::clamp(timeout_s_ / 10, 1e-3, 1.0));
  std::unique_lock lock(mutex_);
  for (Clock::time_point last = Clock::now(); !over_;) {
    if (launched_.empty() || !late_.empty()) {
      changed_.wait(lock, [&] { return over_ || (!launched_.empty() && late_.empty()); });
      last = Clock::now();
      continue;
    }
    const size_t oldest = launched_.front().number;
    lock.unlock();
    const bool done = done_(oldest);
    lock.lock();
    const Clock::time_point now = Clock::now();
    if (done) {
      launched_.pop_front();
      last = now;
      continue;
    }
    Work& work = launched_.front();
    work.seconds += std::chrono::duration<double>(now - last).count();
    last = now;
    if (work.seconds > timeout_s_) {
      late_ = work.name;
      lock.unlock();
      give_up_();
      lock.lock();
      continue;
    }
    changed_.wait_for(lock, pause, [&] { return over_; });
  }
}

}  // namespace lowland::dist
