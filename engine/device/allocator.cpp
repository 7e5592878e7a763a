#include "engine/device/allocator.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <unordered_map>

#include "engine/device/free_list.h"
#include "engine/device/host_memory.h"
#include "engine/error.h"
#include "engine/nvtx.h"

#if defined(__SANITIZE_ADDRESS__)
#define LL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LL_ASAN 1
#endif
#endif

namespace lowland {

void Allocator::enter_phase(const std::string& phase) {
  phase_ = phase;
  add_live(0);
}

PhaseScope::PhaseScope(Allocator& allocator, const std::string& phase)
    : allocator_(allocator), before_(allocator.phase()) {
  allocator_.enter_phase(phase);
  nvtx_push(phase.c_str());
}

PhaseScope::~PhaseScope() {
  nvtx_pop();
  allocator_.enter_phase(before_);
}

void Allocator::add_live(size_t bytes) {
  live_ += bytes;
  peak_ = std::max(peak_, live_);
  auto it = std::find_if(phases_.begin(), phases_.end(), [&](const PhasePeak& p) { return p.phase == phase_; });
  if (it == phases_.end()) it = phases_.insert(phases_.end(), PhasePeak{phase_, 0});
  it->peak_bytes = std::max(it->peak_bytes, live_);
}

std::string Allocator::out_of_memory(size_t asked, const std::string& where) const {
  std::string held;
  for (const PhasePeak& p : phases_)
    held += fmt::format(", {} {:.1f} MB", p.phase, static_cast<double>(p.peak_bytes) / 1e6);
  return fmt::format("out of memory{}: asked for {:.1f} MB in phase {} with {:.1f} MB held (peaks{})", where,
                     static_cast<double>(asked) / 1e6, phase_, static_cast<double>(live_) / 1e6, held);
}

namespace {

constexpr size_t kAlign = kCpuAlignment;
size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

#ifdef LL_ASAN

// Under AddressSanitizer every block is malloc's own, so that overruns are caught.
class CpuAllocator final : public Allocator {
 public:
  void* allocate(size_t bytes) override {
    const size_t size = round_up(std::max<size_t>(bytes, 1), kAlign);
    void* block = std::aligned_alloc(kAlign, size);
    if (block == nullptr) fail(out_of_memory(size));
    sizes_[block] = size;
    add_live(size);
    reserved_ = std::max(reserved_, live_bytes());
    return block;
  }
  void release(void* block) override {
    sub_live(sizes_.at(block));
    sizes_.erase(block);
    std::free(block);
  }
  size_t reserved_bytes() const override { return reserved_; }
  size_t free_bytes() const override { return free_host_bytes(); }

 private:
  std::unordered_map<void*, size_t> sizes_;
  size_t reserved_ = 0;
};

#else

class CpuAllocator final : public Allocator {
 public:
  CpuAllocator() {
    const size_t pages = sysconf(_SC_PHYS_PAGES);
    capacity_ = round_up(pages * sysconf(_SC_PAGESIZE) * 2, kPage);
    // Addresses only: a page costs memory when it is first written. Halve the wish where limits are tight.
    void* p = MAP_FAILED;
    while ((p = mmap(nullptr, capacity_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) ==
           MAP_FAILED) {
      capacity_ = capacity_ / 2 / kPage * kPage;
      LL_CHECK(capacity_ > 0, "out of memory: no addresses are left for tensors (ulimit -v)");
    }
    base_ = static_cast<char*>(p);
    madvise(base_, capacity_, MADV_HUGEPAGE);
    list_.reset(capacity_);
  }
  ~CpuAllocator() override { munmap(base_, capacity_); }
  CpuAllocator(const CpuAllocator&) = delete;
  CpuAllocator& operator=(const CpuAllocator&) = delete;

  void* allocate(size_t bytes) override {
    const size_t size = round_up(std::max<size_t>(bytes, 1), kAlign);
    const size_t offset = list_.take(size);
    if (offset == FreeList::kNone) fail(out_of_memory(size));
    add_live(size);
    return base_ + offset;
  }
  void release(void* block) override { sub_live(list_.give_back(static_cast<char*>(block) - base_)); }
  size_t reserved_bytes() const override { return list_.highest(); }
  // Blocks that are free below the highest have their pages already.
  size_t free_bytes() const override {
    return std::min(capacity_ - live_bytes(), free_host_bytes() + list_.highest() - live_bytes());
  }

 private:
  static constexpr size_t kPage = size_t{2} << 20;
  char* base_ = nullptr;
  size_t capacity_ = 0;
  FreeList list_;
};

#endif

}  // namespace

std::unique_ptr<Allocator> make_cpu_allocator() { return std::make_unique<CpuAllocator>(); }

}  // namespace lowland
