// tests_cuda_races: are the barriers of the CUDA kernels enough? Runs their bodies with a thread for each thread of a
// block, under ThreadSanitizer, which prints every pair of accesses that no barrier separates and makes the program
// fail. What the threads computed must be what HostBlock computes, to the bit. (g++ hides one kind of write from it: of
// a struct that a function returns into place. There only the numbers differ.)
//   tests_cuda_races [PART OF A NAME]       the cases with that in their names
//   tests_cuda_races --without-barrier      a body that lacks one: must fail
#include <chrono>
#include <cstdio>
#include <string>

#include "tests/cuda/races/race_run.h"

using namespace lowland::test;

namespace {

bool passes(const RaceCase& c) {
  const auto begin = std::chrono::steady_clock::now();
  Run host(false), threads(true);
  c.run(host);
  c.run(threads);
  const bool equal = threads.equals(host);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%-48s %6.2f s%s\n", c.name, took.count(), equal ? "" : "   differs from HostBlock");
  std::fflush(stdout);
  return equal;
}

// Reverses 64 numbers by way of shared memory.
void without_barrier(Run& run) {
  float* x = run.numbers<float>(64);
  run.blocks<64>(1, 64 * sizeof(float), [&](auto& b, void* shared) {
    auto* row = static_cast<float*>(shared);
    b.each([&](int t) { row[t] = x[t]; });
    b.sync_warp();  // one of the block is wanted
    b.each([&](int t) { x[t] = row[63 - t]; });
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "";
  if (wanted == "--without-barrier") {
    Run threads(true);
    without_barrier(threads);
    return 0;  // ThreadSanitizer has the last word
  }
  int ran = 0, failed = 0;
  for (const auto& cases : {row_cases(), update_cases(), attention_race_cases(), product_race_cases()})
    for (const RaceCase& c : cases)
      if (std::string(c.name).find(wanted) != std::string::npos) ++ran, failed += passes(c) ? 0 : 1;
  if (ran == 0) std::printf("no case has %s in its name\n", wanted.c_str());
  return ran == 0 || failed > 0 ? 1 : 0;
}
