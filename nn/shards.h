// Shards: the frozen matrices of a model's blocks, divided among processes, of which each holds an equal part of every
// block's bytes, whatever their types. Before a block computes, forward or backward, its bytes are gathered into one of
// two buffers, in which its matrices lie; the next block's are gathered into the other one meanwhile. Nothing else
// moves: a frozen matrix has no gradient.
//
//   block     the pieces of its matrices one behind the other, each at a multiple of 256 bytes
//   shard     the block cut into `world` runs of bytes of one length, a multiple of 256
//   buffer    of the largest block; blocks of even and of odd number have one each
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "engine/dist/communicator.h"
#include "engine/tensor.h"

namespace lowland::nn {

class Shards {
 public:
  Shards(int world, int index) : world_(world), index_(index) {}
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;

  // --- before there is memory. Returns where in its block the piece begins.
  size_t add(int64_t block, size_t bytes);
  void materialise(Context& context);
  // --- after: a piece as it lies in its block's buffer.
  Tensor place(int64_t block, size_t offset, Shape shape, DType dtype) const;
  // This process's part of what was written into the block's buffer.
  void keep(int64_t block);

  // All processes, each with its part. Before the first need(); must outlive the last. Null: from here on nothing is
  // gathered, and buffers stay as they are.
  void gather_with(dist::Communicator* ranks);
  // The block's matrices are in their buffer for what is launched next; the block that comes after it, in the direction
  // in which blocks are asked for, is under way. Without gather_with (a plan on the meta device) nothing happens.
  void need(int64_t block);
  // Asks for all blocks as a forward and a backward pass does: a process without examples keeps step with the others.
  void pass();

  int64_t blocks() const { return static_cast<int64_t>(blocks_.size()); }
  size_t bytes() const;       // of all blocks, whole
  size_t held_bytes() const;  // of this process: its shards and the buffers

 private:
  struct Block {
    size_t bytes = 0;  // a multiple of world * 256 once there is memory
    Tensor mine;
  };
  struct Buffer {
    Tensor all;
    int64_t block = -1;  // that is in it, or under way into it
    dist::Communicator::Gather under_way = 0;
  };
  void start(int64_t block);
  void finish(Buffer& buffer);

  int world_, index_;
  std::vector<Block> blocks_;
  std::array<Buffer, 2> buffers_;
  dist::Communicator* ranks_ = nullptr;
  int64_t last_ = 0, step_ = 1;  // the block that was asked for, and where the next one lies from there
};

// While it lives a block computes: its matrices are there from its beginning on, and in the backward pass from where
// that comes to the block's last op. Null shards: all matrices are there always.
class Gathered {
 public:
  Gathered(Shards* shards, int64_t block, Context& context);
  ~Gathered();
  Gathered(const Gathered&) = delete;
  Gathered& operator=(const Gathered&) = delete;

 private:
  Shards* shards_;
  int64_t block_;
  Context& context_;
};

}  // namespace lowland::nn
