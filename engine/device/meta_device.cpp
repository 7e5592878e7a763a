#include "engine/device/meta_device.h"

#include <cstdint>
#include <cstring>

#include "engine/device/allocator.h"
#include "kernels/common/launch.h"

namespace lowland {
namespace {

class NoWork final : public CapturedWork {
 public:
  void launch() override {}
};

class MetaDevice final : public Accelerator, public LaunchObserver {
 public:
  explicit MetaDevice(const Accelerator* like) {
    if (like != nullptr) {
      info_ = like->info();
    } else {
      info_.name = "cpu";
      info_.captures = false;
      info_.alignment = kCpuAlignment;
    }
    info_.meta = true;
  }

  const AcceleratorInfo& info() const override { return info_; }
  void attach(Ctx& ctx) override {
    ctx.backend = detect_cpu_backend();
    ctx.observer = this;
  }

  // Addresses that nobody follows, each given once.
  void* allocate(size_t bytes) override {
    char* const block = reinterpret_cast<char*>(next_);
    next_ += bytes;
    return block;
  }
  void release(void*) override {}
  size_t held_bytes() const override { return 0; }
  size_t free_bytes() const override { return SIZE_MAX; }

  void upload(void*, const void*, size_t) override {}
  void download(void* to, const void*, size_t bytes) override { std::memset(to, 0, bytes); }
  void copy(void*, const void*, size_t) override {}
  void zero(void*, size_t) override {}
  void wait() override {}

  void begin_capture() override {}
  std::unique_ptr<CapturedWork> end_capture() override { return std::make_unique<NoWork>(); }
  void abandon_capture() override {}
  bool capturing() const override { return false; }

  size_t mark() override { return 0; }
  double ms_between(size_t, size_t) override { return 0; }
  void clear_marks() override {}

  void launch(Ctx&, const char*, const Run&, const Run&) override {}

 private:
  AcceleratorInfo info_;
  uintptr_t next_ = uintptr_t{1} << 12;
};

}  // namespace

std::unique_ptr<Accelerator> make_meta_device(const Accelerator* like) { return std::make_unique<MetaDevice>(like); }

}  // namespace lowland
