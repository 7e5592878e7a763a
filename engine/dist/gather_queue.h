// GatherQueue: gathers that a thread of its own makes, one after the other, while the caller computes.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace lowland::dist {

class GatherQueue {
 public:
  GatherQueue();
  ~GatherQueue();  // waits for the one under way; the others are not made
  GatherQueue(const GatherQueue&) = delete;
  GatherQueue& operator=(const GatherQueue&) = delete;

  // Returns its number, from 1.
  uint64_t start(std::function<void()> gather);
  // Waits for that gather and those before it. Throws what one of them has thrown, then and ever after.
  void finish(uint64_t number);
  void finish_all() { finish(started_); }

 private:
  void work();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  uint64_t started_ = 0, done_ = 0;
  bool over_ = false;
  std::exception_ptr failed_;
  std::thread thread_;  // the last: it uses all others
};

}  // namespace lowland::dist
