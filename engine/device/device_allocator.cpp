#include "engine/device/device_allocator.h"

#include "engine/error.h"

namespace lowland {
namespace {

constexpr size_t kEndless = size_t{1} << 50;
size_t aligned(size_t n, size_t to) { return (n + to - 1) / to * to; }

}  // namespace

DeviceAllocator::~DeviceAllocator() {
  for (void* block : late_) device_.release(block);
  if (arena_ != nullptr) device_.release(arena_);
}

void* DeviceAllocator::pool(size_t bytes) {
  void* block = device_.allocate(bytes);
  if (block == nullptr && !device_.capturing()) {  // the pool may hold it in pieces that are too small
    device_.give_back_unused();
    block = device_.allocate(bytes);
  }
  if (block == nullptr) {
    const AcceleratorInfo& gpu = device_.info();
    fail(out_of_memory(bytes, fmt::format(" on cuda:{} ({}, {:.1f} GB, {:.1f} MB set aside by the driver for this run)",
                                          gpu.index, gpu.name, static_cast<double>(gpu.total_bytes) / 1e9,
                                          static_cast<double>(device_.held_bytes()) / 1e6)));
  }
  return block;
}

void* DeviceAllocator::allocate(size_t bytes) {
  Held h;
  h.bytes = aligned(bytes > 0 ? bytes : 1, device_.info().alignment);
  if (working_) {
    h.offset = plan_.take(h.bytes);
    h.pooled = h.offset + h.bytes > arena_bytes_;
  }
  void* block = nullptr;
  try {
    block = h.pooled ? pool(h.bytes) : arena_ + h.offset;
  } catch (...) {
    if (working_) plan_.give_back(h.offset);
    throw;
  }
  if (working_) ++work_blocks_;
  held_[block] = h;
  add_live(h.bytes);
  return block;
}

void DeviceAllocator::release(void* block) {
  const auto it = held_.find(block);
  const Held h = it->second;
  held_.erase(it);
  sub_live(h.bytes);
  if (h.offset != FreeList::kNone) {
    plan_.give_back(h.offset);
    --work_blocks_;
  }
  if (!h.pooled) return;
  if (device_.capturing()) {
    late_.push_back(block);
  } else {
    device_.release(block);
  }
}

void DeviceAllocator::note_type(void* block, DType dtype) {
  const auto it = held_.find(block);
  if (it == held_.end()) return;
  it->second.dtype = dtype;
  it->second.typed = true;
}

void DeviceAllocator::begin_work() {
  LL_CHECK(!working_ && plan_.empty(), "work begins while blocks of the one before are held");
  plan_.reset(kEndless);
  working_ = true;
}

size_t DeviceAllocator::end_work() {
  working_ = false;
  for (void* block : late_) device_.release(block);
  late_.clear();
  return plan_.highest();
}

bool DeviceAllocator::grow_arena(size_t bytes) {
  if (bytes <= arena_bytes_) return false;
  const bool moved = arena_ != nullptr;
  if (arena_ != nullptr) device_.release(arena_);
  arena_ = nullptr;
  arena_bytes_ = 0;
  device_.give_back_unused();  // the first runs of the work took as much from the pool, in pieces
  arena_ = static_cast<char*>(pool(aligned(bytes, device_.info().alignment)));
  arena_bytes_ = aligned(bytes, device_.info().alignment);
  return moved;
}

std::vector<DeviceAllocator::Block> DeviceAllocator::blocks() const {
  std::vector<Block> out;
  for (const auto& [data, h] : held_) out.push_back({data, h.bytes, h.dtype, h.typed});
  return out;
}

}  // namespace lowland
