#include "engine/device/compare.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>

#include "engine/device/workspace.h"
#include "engine/error.h"
#include "kernels/common/difference.h"
#include "kernels/common/environment.h"

namespace lowland {
namespace {

struct Errors {
  int64_t launches = 0, compared = 0;
  double absolute = 0, relative = 0;  // largest |a - b|; largest of a block over the largest |b| written there
};

// What neither has written (the rest of a larger block, a row that was left as it is) does not count.
template <class T>
void compare_block(Errors& e, const char* before, const char* device, const char* cpu, size_t bytes) {
  Difference d;
  for (size_t at = 0; at + sizeof(T) <= bytes; at += sizeof(T)) {
    if (std::memcmp(before + at, device + at, sizeof(T)) == 0 && std::memcmp(before + at, cpu + at, sizeof(T)) == 0)
      continue;
    T a, b;
    std::memcpy(&a, device + at, sizeof a);
    std::memcpy(&b, cpu + at, sizeof b);
    d.add(static_cast<double>(a), static_cast<double>(b), Nan::meant);  // both may compute it
  }
  e.absolute = std::max(e.absolute, d.absolute);
  e.relative = std::max(e.relative, d.to_largest(1e-30));
}

class Compare final : public LaunchObserver {
 public:
  Compare(Accelerator& device, DeviceAllocator& memory, const Ctx& ctx, std::string* report)
      : device_(device), memory_(memory), cpu_(ctx), report_(report) {
    cpu_.backend = detect_cpu_backend();
    cpu_.workspace = scratch_.get();
    cpu_.observer = nullptr;
  }
  ~Compare() override {
    std::string text = fmt::format("{:<36} {:>8} {:>8} {:>12} {:>12}\n", "LL_COMPARE", "launches", "compared",
                                   "abs. error", "rel. error");
    for (const auto& [kernel, e] : errors_)
      text += fmt::format("{:<36} {:>8} {:>8} {:>12.2e} {:>12.2e}\n", kernel, e.launches, e.compared, e.absolute,
                          e.relative);
    if (report_ != nullptr) {
      *report_ = text;
    } else {
      std::fputs(text.c_str(), stderr);
    }
  }
  Compare(const Compare&) = delete;
  Compare& operator=(const Compare&) = delete;

  void launch(Ctx& ctx, const char* kernel, const Run& device, const Run& cpu) override {
    if (!device) fail_no_kernel(kernel);
    Errors& e = errors_[kernel];
    ++e.launches;
    if (!cpu || device_.capturing()) return device(ctx);
    ++e.compared;
    device_.wait();
    const auto blocks = memory_.blocks();
    std::vector<std::vector<char>> before;
    for (const auto& b : blocks) before.emplace_back(chars(b), chars(b) + b.bytes);
    device(ctx);
    device_.wait();
    std::vector<std::vector<char>> after(blocks.size());
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (std::memcmp(blocks[i].data, before[i].data(), blocks[i].bytes) == 0) continue;
      after[i].assign(chars(blocks[i]), chars(blocks[i]) + blocks[i].bytes);
      std::memcpy(blocks[i].data, before[i].data(), blocks[i].bytes);
    }
    cpu(cpu_);
    for (size_t i = 0; i < blocks.size(); ++i) {  // what only the CPU wrote counts as well
      const std::vector<char>& device_result = after[i].empty() ? before[i] : after[i];
      if (std::memcmp(blocks[i].data, device_result.data(), blocks[i].bytes) == 0) continue;
      if (blocks[i].typed) compare_typed(e, blocks[i], before[i].data(), device_result.data());
      std::memcpy(blocks[i].data, device_result.data(), blocks[i].bytes);
    }
  }

 private:
  static char* chars(const DeviceAllocator::Block& b) { return static_cast<char*>(b.data); }
  // The CPU's results are in the block.
  static void compare_typed(Errors& e, const DeviceAllocator::Block& b, const char* before, const char* device) {
    switch (b.dtype) {
      case DType::f32: return compare_block<float>(e, before, device, chars(b), b.bytes);
      case DType::f64: return compare_block<double>(e, before, device, chars(b), b.bytes);
      case DType::bf16: return compare_bf16(e, before, device, chars(b), b.bytes);
      case DType::i32: return compare_block<int32_t>(e, before, device, chars(b), b.bytes);
      case DType::i64: return compare_block<int64_t>(e, before, device, chars(b), b.bytes);
      default: return;  // frozen blocks: no kernel writes them
    }
  }
  static std::vector<float> wide(const char* from, size_t bytes) {
    std::vector<float> out(bytes / 2);
    for (size_t i = 0; i < out.size(); ++i) {
      bf16 x{};
      std::memcpy(&x, from + 2 * i, 2);
      out[i] = static_cast<float>(x);
    }
    return out;
  }
  static void compare_bf16(Errors& e, const char* before, const char* device, const char* cpu, size_t bytes) {
    const std::vector<float> was = wide(before, bytes), a = wide(device, bytes), b = wide(cpu, bytes);
    const auto chars = [](const std::vector<float>& v) { return reinterpret_cast<const char*>(v.data()); };
    compare_block<float>(e, chars(was), chars(a), chars(b), a.size() * sizeof(float));
  }

  Accelerator& device_;
  DeviceAllocator& memory_;
  std::unique_ptr<Allocator> cpu_memory_ = make_cpu_allocator();
  std::unique_ptr<Workspace> scratch_ = make_stack_workspace(*cpu_memory_);
  Ctx cpu_;
  std::string* report_;
  std::map<std::string, Errors> errors_;
};

}  // namespace

std::unique_ptr<LaunchObserver> make_compare(Accelerator& device, DeviceAllocator& memory, const Ctx& ctx) {
  if (!environment::kCompare.on()) return nullptr;
  return std::make_unique<Compare>(device, memory, ctx, nullptr);
}

std::unique_ptr<LaunchObserver> make_compare_always(Accelerator& device, DeviceAllocator& memory, const Ctx& ctx,
                                                    std::string* report) {
  return std::make_unique<Compare>(device, memory, ctx, report);
}

}  // namespace lowland
