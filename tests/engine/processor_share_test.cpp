#include "engine/device/processor_share.h"

#include <doctest/doctest.h>

using namespace lowland;

// As Linux writes it: the sum, then a line a processor: user nice system idle iowait irq softirq steal, and two more.
constexpr const char* kStat =
    "cpu  1110 22 33 9999 44 5 6 7 8 0\n"
    "cpu0 1000 20 30 5000 40 3 4 7 8 0\n"
    "cpu1 110 2 3 4999 4 2 2 0 0 0\n"
    "cpu12 7 0 0 1 0 0 0 0 0 0\n"
    "intr 12345 1 2\n"
    "ctxt 99\n";

TEST_CASE("processor share: what the processors of a process did, without idling and waiting for disks") {
  CHECK(busy_seconds(kStat, {0}, 100) == doctest::Approx(10.64));
  CHECK(busy_seconds(kStat, {1}, 100) == doctest::Approx(1.19));
  CHECK(busy_seconds(kStat, {0, 1}, 100) == doctest::Approx(11.83));
  CHECK(busy_seconds(kStat, {12}, 100) == doctest::Approx(0.07));
  CHECK(busy_seconds(kStat, {2, 3}, 100) == 0);
  CHECK(busy_seconds("", {0}, 100) == 0);
  CHECK(busy_seconds("cpu0 5", {0}, 100) == doctest::Approx(0.05));
}

TEST_CASE("processor share: a thread idles for each processor that others keep busy, and one goes on") {
  CHECK(idle_threads(0, 2) == 0);
  CHECK(idle_threads(0.3, 2) == 0);
  CHECK(idle_threads(0.5, 2) == 1);
  CHECK(idle_threads(1, 2) == 1);
  CHECK(idle_threads(1.2, 4) == 1);
  CHECK(idle_threads(1.9, 4) == 2);
  CHECK(idle_threads(1000, 4) == 3);
  CHECK(idle_threads(-3, 4) == 0);
  CHECK(idle_threads(5, 1) == 0);
}
