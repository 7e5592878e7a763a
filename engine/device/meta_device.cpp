#include "engine/device/meta_device.h"

#include <cstdint>
#include <cstring>
#include <utility>

#include "engine/device/allocator.h"

namespace lowland {
namespace {

class NoWork final : public CapturedWork {
 public:
  void launch() override {}
};

class MetaDevice final : public Accelerator, public LaunchObserver {
 public:
  MetaDevice(AcceleratorInfo info, MetaListener* listener) : info_(std::move(info)), listener_(listener) {
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
    if (listener_ != nullptr) listener_->block(block, bytes);
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

  void argument(const char* kernel, const void* bytes, size_t size) override {
    if (listener_ != nullptr) listener_->argument(kernel, bytes, size);
  }
  void unclear_argument(const char* kernel, const void* bytes, size_t size) override { argument(kernel, bytes, size); }
  void launch(Ctx& ctx, const char* kernel, const Run& device, const Run& cpu) override {
    if (listener_ != nullptr) listener_->launch(ctx, kernel, device, cpu);
  }

 private:
  AcceleratorInfo info_;
  MetaListener* listener_;
  uintptr_t next_ = uintptr_t{1} << 46;  // no number among the arguments of a launch looks like one
};

AcceleratorInfo info_like(const Accelerator* like) {
  if (like != nullptr) return like->info();
  AcceleratorInfo info;
  info.name = "cpu";
  info.captures = false;
  info.alignment = kCpuAlignment;
  return info;
}

}  // namespace

std::unique_ptr<Accelerator> make_meta_device(const Accelerator* like) {
  return make_meta_device(info_like(like), nullptr);
}

std::unique_ptr<Accelerator> make_meta_device(AcceleratorInfo info, MetaListener* listener) {
  return std::make_unique<MetaDevice>(std::move(info), listener);
}

}  // namespace lowland
