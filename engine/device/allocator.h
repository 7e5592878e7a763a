// Memory with accounting: bytes live now, and the peak of each phase of a run ("weights", "forward", ...).
//
// The CPU allocator owns one range of addresses and hands out the lowest free block that fits, so that a training step,
// whose tensors die in the reverse order of their birth, finds every block where it left it: the heap stays as high as
// the peak, and no page is faulted in twice. Not thread-safe: one Context, one thread that launches.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/common/dtype.h"

namespace lowland {

struct PhasePeak {
  std::string phase;
  size_t peak_bytes = 0;  // of everything live while the phase ran
};

class Allocator {
 public:
  virtual ~Allocator() = default;
  virtual void* allocate(size_t bytes) = 0;  // 64-byte aligned, uninitialised; throws Error when memory is out
  virtual void release(void* block) = 0;

  size_t live_bytes() const { return live_; }
  size_t peak_bytes() const { return peak_; }
  // Highest address ever used, or what the GPU's driver has set aside: what the process really holds because of us.
  virtual size_t reserved_bytes() const = 0;
  // What can still be allocated, about.
  virtual size_t free_bytes() const = 0;
  // What a block holds, for LL_COMPARE.
  virtual void note_type(void* /*block*/, DType) {}
  void reset_peak() { peak_ = live_; }
  const std::vector<PhasePeak>& phases() const { return phases_; }
  const std::string& phase() const { return phase_; }
  void enter_phase(const std::string& phase);

 protected:
  void add_live(size_t bytes);
  void sub_live(size_t bytes) { live_ -= bytes; }
  std::string out_of_memory(size_t asked, const std::string& where = "") const;

 private:
  size_t live_ = 0, peak_ = 0;
  std::string phase_ = "setup";
  std::vector<PhasePeak> phases_;
};

inline constexpr size_t kCpuAlignment = 64;
std::unique_ptr<Allocator> make_cpu_allocator();

// Names the phase for the life of a scope, for the accounting and on a profiler's timeline.
class PhaseScope {
 public:
  PhaseScope(Allocator& allocator, const std::string& phase);
  ~PhaseScope();
  PhaseScope(const PhaseScope&) = delete;
  PhaseScope& operator=(const PhaseScope&) = delete;

 private:
  Allocator& allocator_;
  std::string before_;
};

}  // namespace lowland
