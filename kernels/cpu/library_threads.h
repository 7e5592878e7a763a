// How many threads a library takes for a call.
#pragma once
#ifdef _OPENMP
#include <omp.h>
#endif

namespace lowland::LL_CPU {

// oneDNN and OpenBLAS read the thread count from OpenMP, where it belongs to the calling thread.
class LibraryThreads {
 public:
#ifdef _OPENMP
  explicit LibraryThreads(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~LibraryThreads() { omp_set_num_threads(before_); }
#else
  explicit LibraryThreads(int) {}
  ~LibraryThreads() {}
#endif
  LibraryThreads(const LibraryThreads&) = delete;
  LibraryThreads& operator=(const LibraryThreads&) = delete;

 private:
  int before_ = 1;
};

}  // namespace lowland::LL_CPU
