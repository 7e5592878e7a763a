#include "tests/emulator.h"

#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>
#include <deque>
#include <utility>
#include <vector>

#include "engine/device/free_list.h"
#include "engine/device/workspace.h"
#include "engine/error.h"
#include "kernels/common/launch.h"
#include "kernels/common/uncaptured.h"

namespace lowland::test {
namespace {

using Job = std::function<void()>;
constexpr size_t kPage = 4096;

// Can the host read there? The device's memory it cannot, while no kernel runs.
bool host_memory(uintptr_t address) {
  constexpr uintptr_t kFirst = 1 << 16, kEnd = uintptr_t{1} << 47;
  if (address < kFirst || address >= kEnd) return false;
  char byte = 0;
  const iovec here{&byte, 1}, there{reinterpret_cast<void*>(address), 1};
  return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}

class Captured final : public CapturedWork {
 public:
  Captured(std::vector<Job> jobs, std::deque<Job>& queue) : jobs_(std::move(jobs)), queue_(queue) {}
  void launch() override { queue_.insert(queue_.end(), jobs_.begin(), jobs_.end()); }

 private:
  std::vector<Job> jobs_;
  std::deque<Job>& queue_;
};

class Emulator final : public Accelerator, public LaunchObserver {
 public:
  Emulator(int threads, size_t capacity, AcceleratorInfo info)
      : info_(std::move(info)), capacity_(capacity), list_(capacity) {
    if (info_.name.empty()) info_.name = "emulated";
    info_.total_bytes = capacity;
    void* p = mmap(nullptr, capacity + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) fail("no addresses for the emulated device");
    base_ = static_cast<char*>(p);
    cpu_.backend = detect_cpu_backend();
    cpu_.threads = threads;
    cpu_.workspace = scratch_.get();
  }
  ~Emulator() override { munmap(base_, capacity_ + kPage); }
  Emulator(const Emulator&) = delete;
  Emulator& operator=(const Emulator&) = delete;

  const AcceleratorInfo& info() const override { return info_; }
  void attach(Ctx& ctx) override { ctx.observer = this; }

  void* allocate(size_t bytes) override {
    refuse(Uncaptured::allocation);
    const size_t offset = list_.take((bytes + 255) / 256 * 256);
    if (offset == FreeList::kNone) return nullptr;
    char* block = base_ + offset;
    add([=] { std::memset(block, 0xff, bytes); });
    return block;
  }
  void release(void* block) override { list_.give_back(static_cast<char*>(block) - base_); }
  size_t held_bytes() const override { return list_.highest(); }

  void upload(void* to, const void* from, size_t bytes) override {
    refuse(Uncaptured::upload);
    const char* begin = static_cast<const char*>(from);
    add([to, kept = std::vector<char>(begin, begin + bytes)] { std::memcpy(to, kept.data(), kept.size()); });
  }
  void download(void* to, const void* from, size_t bytes) override {
    refuse(Uncaptured::download);
    wait();
    const Open open(*this);
    std::memcpy(to, from, bytes);
  }
  void copy(void* to, const void* from, size_t bytes) override {
    add([=] { std::memmove(to, from, bytes); });
  }
  void zero(void* to, size_t bytes) override {
    add([=] { std::memset(to, 0, bytes); });
  }
  void wait() override {
    refuse(Uncaptured::wait);
    const Open open(*this);
    for (; !queue_.empty(); queue_.pop_front()) queue_.front()();
  }

  void begin_capture() override { capturing_ = true; }
  std::unique_ptr<CapturedWork> end_capture() override {
    capturing_ = false;
    return std::make_unique<Captured>(std::exchange(captured_, {}), queue_);
  }
  void abandon_capture() override {
    capturing_ = false;
    captured_.clear();
  }
  bool capturing() const override { return capturing_; }

  size_t mark() override { return marks_++; }
  double ms_between(size_t from, size_t to) override {
    wait();
    return static_cast<double>(to - from);
  }
  void clear_marks() override { marks_ = 0; }

  // An address of the host, alone or within a struct, that a kernel of a GPU would follow.
  void argument(const char* kernel, const void* bytes, size_t size) override {
    for (size_t at = 0; at + sizeof(uintptr_t) <= size; at += sizeof(uintptr_t)) {
      uintptr_t word = 0;
      std::memcpy(&word, static_cast<const char*>(bytes) + at, sizeof word);
      if (host_memory(word)) fail("[{}] is given an address of the host's memory", kernel);
    }
  }
  void launch(Ctx&, const char* kernel, const Run&, const Run& cpu) override {
    if (!cpu) fail("[{}] the emulated device has no kernel for these element types", kernel);
    add([this, cpu] { cpu(cpu_); });
  }

 private:
  struct Open {  // memory can be read while it lives
    explicit Open(Emulator& e) : e_(e) { mprotect(e.base_, e.list_.highest() + kPage, PROT_READ | PROT_WRITE); }
    ~Open() { mprotect(e_.base_, e_.list_.highest() + kPage, PROT_NONE); }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;
    Emulator& e_;
  };
  void refuse(Uncaptured what) const {
    if (capturing_) fail_uncaptured(what);
  }
  void add(Job job) {
    if (capturing_) {
      captured_.push_back(std::move(job));
    } else {
      queue_.push_back(std::move(job));
    }
  }

  AcceleratorInfo info_;
  size_t capacity_;
  FreeList list_;
  char* base_ = nullptr;
  Ctx cpu_;
  std::unique_ptr<Allocator> scratch_memory_ = make_cpu_allocator();
  std::unique_ptr<Workspace> scratch_ = make_stack_workspace(*scratch_memory_);
  std::deque<Job> queue_;
  std::vector<Job> captured_;
  bool capturing_ = false;
  size_t marks_ = 0;
};

}  // namespace

std::unique_ptr<Accelerator> make_emulator(int threads, size_t capacity, AcceleratorInfo info) {
  return std::make_unique<Emulator>(threads, capacity, std::move(info));
}

}  // namespace lowland::test
