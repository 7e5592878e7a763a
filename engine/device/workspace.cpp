#include "engine/device/workspace.h"

#include <vector>

namespace lowland {
namespace {

// A stack of blocks from the device's allocator. A block is kept until the Context ends; a larger request than any free
// block takes a new one, and outgrown blocks are given back as soon as the stack is empty.
class StackWorkspace final : public Workspace {
 public:
  explicit StackWorkspace(Allocator& memory) : memory_(memory) {}
  ~StackWorkspace() override {
    for (const Block& b : blocks_) memory_.release(b.data);
  }
  StackWorkspace(const StackWorkspace&) = delete;
  StackWorkspace& operator=(const StackWorkspace&) = delete;

  void* take(size_t bytes) override {
    bytes = (bytes + 63) / 64 * 64;
    if (blocks_.empty() || blocks_.back().used + bytes > blocks_.back().size) {
      if (used_ == 0 && !blocks_.empty()) {  // the stack is empty: replace the block by a larger one
        memory_.release(blocks_.back().data);
        blocks_.pop_back();
      }
      blocks_.push_back({static_cast<char*>(memory_.allocate(bytes)), bytes, 0});
    }
    Block& b = blocks_.back();
    void* p = b.data + b.used;
    b.used += bytes;
    used_ += bytes;
    return p;
  }
  size_t mark() const override { return used_; }
  void release_to(size_t mark) override {
    while (used_ > mark) {
      Block& b = blocks_.back();
      const size_t n = used_ - mark < b.used ? used_ - mark : b.used;
      b.used -= n;
      used_ -= n;
      if (b.used == 0 && blocks_.size() > 1) {  // keep the larger of the last two
        const Block last = b;
        blocks_.pop_back();
        Block& under = blocks_.back();
        if (under.used == 0 && last.size > under.size) {
          memory_.release(under.data);
          under = last;
        } else {
          memory_.release(last.data);
        }
      }
    }
  }

 private:
  struct Block {
    char* data;
    size_t size, used;
  };
  Allocator& memory_;
  std::vector<Block> blocks_;
  size_t used_ = 0;
};

// Blocks of the device's pool, or of the arena of captured work. Work is in the order of the stream, so a block
// that is given back here may be given out again before the kernel that uses it has run.
class DeviceWorkspace final : public Workspace {
 public:
  explicit DeviceWorkspace(Allocator& memory) : memory_(memory) {}
  void* take(size_t bytes) override {
    blocks_.push_back(memory_.allocate(bytes));
    return blocks_.back();
  }
  size_t mark() const override { return blocks_.size(); }
  void release_to(size_t mark) override {
    for (; blocks_.size() > mark; blocks_.pop_back()) memory_.release(blocks_.back());
  }

 private:
  Allocator& memory_;
  std::vector<void*> blocks_;
};

}  // namespace

std::unique_ptr<Workspace> make_stack_workspace(Allocator& memory) { return std::make_unique<StackWorkspace>(memory); }

std::unique_ptr<Workspace> make_device_workspace(Allocator& memory) {
  return std::make_unique<DeviceWorkspace>(memory);
}

}  // namespace lowland
