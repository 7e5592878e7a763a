#include "engine/device/allocator.h"

#include <doctest/doctest.h>

using namespace lowland;

TEST_CASE("allocator: the peak of each phase is the most that was live while it ran") {
  const std::unique_ptr<Allocator> memory = make_cpu_allocator();
  const auto passing = [&](size_t bytes) { memory->release(memory->allocate(bytes)); };
  void* const kept = memory->allocate(64);
  {
    const PhaseScope phase(*memory, "forward");
    passing(6400);
    passing(640);
    const PhaseScope within(*memory, "optimizer");
    passing(1280);
  }
  passing(128);
  CHECK(memory->phase() == "setup");
  CHECK(memory->live_bytes() == 64);
  CHECK(memory->peak_bytes() == 6464);
  REQUIRE(memory->phases().size() == 3);
  const std::pair<const char*, size_t> want[] = {{"setup", 192}, {"forward", 6464}, {"optimizer", 1344}};
  for (size_t i = 0; i < 3; ++i) {
    CHECK(memory->phases()[i].phase == want[i].first);
    CHECK(memory->phases()[i].peak_bytes == want[i].second);
  }
  memory->reset_peak();
  CHECK(memory->peak_bytes() == 64);
  memory->release(kept);
  CHECK(memory->live_bytes() == 0);
}
