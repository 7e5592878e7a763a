// DeviceAllocator: the memory of an Accelerator, with the accounting of Allocator.
//
// Between begin_work and end_work blocks come from an arena: one range of device memory whose offsets follow from the
// sequence of requests alone (FreeList). Work that is captured as a graph and replayed so finds its tensors where they
// were; all graphs share the range, which is as large as the largest of them needs. What does not fit comes from the
// device's pool (the first run of the work, which only finds out how much it needs); in a capture nothing may.
#pragma once
#include <unordered_map>
#include <vector>

#include "engine/device/allocator.h"
#include "engine/device/free_list.h"
#include "kernels/common/accelerator.h"

namespace lowland {

class DeviceAllocator final : public Allocator {
 public:
  explicit DeviceAllocator(Accelerator& device) : device_(device) {}
  ~DeviceAllocator() override;

  void* allocate(size_t bytes) override;
  void release(void* block) override;
  size_t reserved_bytes() const override { return device_.held_bytes(); }
  size_t free_bytes() const override { return device_.free_bytes(); }
  void note_type(void* block, DType dtype) override;

  // --- work that is captured (engine/graph.h)
  void begin_work();
  // Bytes of the arena that the work needed. REQUIRES every block of the work released, see work_blocks()
  size_t end_work();
  size_t work_blocks() const { return work_blocks_; }  // blocks that the work took and still holds
  size_t arena_bytes() const { return arena_bytes_; }
  // At least `bytes`. True if the arena moved: what was captured in the old one must not be replayed.
  bool grow_arena(size_t bytes);

  // --- LL_COMPARE: every block that is live
  struct Block {
    void* data = nullptr;
    size_t bytes = 0;
    DType dtype = DType::f32;
    bool typed = false;  // scratch memory of kernels is not
  };
  std::vector<Block> blocks() const;

 private:
  struct Held {
    size_t bytes = 0;
    size_t offset = FreeList::kNone;  // in the arena's plan; kNone: not of such work
    bool pooled = true;               // the device's own block
    bool typed = false;
    DType dtype = DType::f32;
  };
  void* pool(size_t bytes);

  Accelerator& device_;
  std::unordered_map<void*, Held> held_;
  std::vector<void*> late_;  // released in a capture, given back after it
  FreeList plan_;
  char* arena_ = nullptr;
  size_t arena_bytes_ = 0, work_blocks_ = 0;
  bool working_ = false;
};

}  // namespace lowland
