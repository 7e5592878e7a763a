// SIGTERM and Ctrl-C while a run trains: the first asks it to stop after the step under way, the second ends at once.
#pragma once
#include <stdexcept>
#include <string>

namespace lowland::apps {

// What ends a program that was asked to stop: with exit code 128 + signal, and a message that is no error.
class Interrupted : public std::runtime_error {
 public:
  Interrupted(int signal_number, const std::string& message) : std::runtime_error(message), signal(signal_number) {}
  const int signal;
};

// While it lives, the two signals are taken note of. One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  int signal() const;  // the one that came; 0: none

 private:
  void (*before_[2])(int) = {};  // what they did
};

}  // namespace lowland::apps
