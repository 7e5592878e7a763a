#include "apps/train/interrupt.h"

#include <csignal>
#include <initializer_list>

namespace lowland::apps {
namespace {

// A signal's handler can reach nothing else.
volatile std::sig_atomic_t caught = 0;

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
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, note);
}

InterruptGuard::~InterruptGuard() {
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, SIG_DFL);
}

int InterruptGuard::signal() const { return caught; }

}  // namespace lowland::apps
