#include "engine/dist/gather_queue.h"

namespace lowland::dist {

GatherQueue::GatherQueue() : thread_([this] { work(); }) {}

GatherQueue::~GatherQueue() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

uint64_t GatherQueue::start(std::function<void()> gather) {
  uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(gather));
    number = ++started_;
  }
  changed_.notify_all();
  return number;
}

void GatherQueue::finish(uint64_t number) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done_ >= number || failed_; });
  if (failed_) std::rethrow_exception(failed_);
}

void GatherQueue::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return over_ || (!waiting_.empty() && !failed_); });
    if (over_) return;
    const std::function<void()> gather = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    std::exception_ptr failed;
    try {
      gather();
    } catch (...) {
      failed = std::current_exception();
    }
    lock.lock();
    ++done_;
    if (failed) failed_ = failed;
    changed_.notify_all();
  }
}

}  // namespace lowland::dist
