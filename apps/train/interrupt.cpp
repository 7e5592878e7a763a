#include "apps/train/interrupt.h"

#include <csignal>
#include <cstddef>

namespace lowland::apps {
namespace {

// A signal's handler can reach nothing else.
volatile std::sig_atomic_t caught = 0;
constexpr int kSignals[] = {SIGINT, SIGTERM};

void note(int number) {
  if (caught != 0) {
    std::signal(number, SIG_DFL);
    std::raise(number);  // delivered when this returns
  }
  caught = number;
}

}  // namespace

InterruptGuard::InterruptGuard() {
  caught = 0;
  for (size_t i = 0; i < 2; ++i) before_[i] = std::signal(kSignals[i], note);
}

InterruptGuard::~InterruptGuard() {
  for (size_t i = 0; i < 2; ++i) std::signal(kSignals[i], before_[i]);
}

int InterruptGuard::signal() const { return caught; }

}  // namespace lowland::apps
