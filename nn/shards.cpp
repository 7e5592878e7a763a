#include "nn/shards.h"

#include <algorithm>
#include <utility>

#include "engine/autograd.h"
#include "engine/error.h"

namespace lowland::nn {
namespace {

constexpr size_t kRun = 256;  // bytes

size_t up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

// Bytes, as a tensor of numbers that nobody reads as such.
Tensor bytes_of(Context& context, size_t bytes) {
  return Tensor::empty(context, {static_cast<int64_t>(bytes / sizeof(float))}, DType::f32);
}

Tensor run_of(const Tensor& all, size_t begin, size_t bytes) {
  return all.slice_rows(static_cast<int64_t>(begin / sizeof(float)),
                        static_cast<int64_t>((begin + bytes) / sizeof(float)));
}

}  // namespace

size_t Shards::add(int64_t block, size_t bytes) {
  if (block >= blocks()) blocks_.resize(static_cast<size_t>(block) + 1);
  const size_t offset = blocks_[block].bytes;
  blocks_[block].bytes += up(bytes, kRun);
  return offset;
}

void Shards::materialise(Context& context) {
  size_t largest = 0;
  for (Block& b : blocks_) {
    b.bytes = up(b.bytes, kRun * static_cast<size_t>(world_));
    largest = std::max(largest, b.bytes);
    if (b.bytes > 0) b.mine = bytes_of(context, b.bytes / static_cast<size_t>(world_));
  }
  for (Buffer& buffer : buffers_)
    if (largest > 0) buffer.all = bytes_of(context, largest);
}

Tensor Shards::place(int64_t block, size_t offset, Shape shape, DType dtype) const {
  const Tensor& all = buffers_[block % 2].all;
  return Tensor::borrow(all.context(), std::move(shape), dtype, static_cast<char*>(all.raw()) + offset,
                        std::make_shared<Tensor>(all));
}

void Shards::keep(int64_t block) {
  const Block& b = blocks_[block];
  if (b.bytes == 0) return;
  const size_t part = b.bytes / static_cast<size_t>(world_);
  b.mine.copy_from(run_of(buffers_[block % 2].all, part * static_cast<size_t>(index_), part));
  buffers_[block % 2].block = -1;
}

void Shards::gather_with(dist::Communicator* ranks) {
  LL_CHECK(ranks == nullptr || (ranks->world() == world_ && ranks->rank().index == index_),
           "part {} of {} is not that of {}", index_, world_, ranks->name());
  if (ranks_ != nullptr)
    for (Buffer& buffer : buffers_) finish(buffer);
  ranks_ = ranks;
}

void Shards::start(int64_t block) {
  Buffer& buffer = buffers_[block % 2];
  const Block& b = blocks_[block];
  if (buffer.block == block || b.bytes == 0) return;
  finish(buffer);
  buffer.block = block;
  buffer.under_way = ranks_->start_gather(run_of(buffer.all, 0, b.bytes), b.mine, "a block of the base");
}

void Shards::finish(Buffer& buffer) { ranks_->finish(std::exchange(buffer.under_way, 0)); }

void Shards::need(int64_t block) {
  if (ranks_ == nullptr || block < 0) return;
  LL_CHECK(block < blocks(), "there is no block {}", block);
  start(block);
  finish(buffers_[block % 2]);
  // Passes turn round at both ends.
  if (block != last_) step_ = block > last_ ? 1 : -1;
  if (block == 0) step_ = 1;
  if (block + 1 == blocks()) step_ = -1;
  last_ = block;
  if (const int64_t next = block + step_; next >= 0 && next < blocks()) start(next);
}

void Shards::pass() {
  for (int64_t i = 0; i < blocks(); ++i) need(i);
  for (int64_t i = blocks() - 1; i >= 0; --i) need(i);
}

size_t Shards::bytes() const {
  size_t sum = 0;
  for (const Block& b : blocks_) sum += b.bytes;
  return sum;
}

size_t Shards::held_bytes() const {
  size_t sum = 0;
  for (const Block& b : blocks_)
    if (b.mine) sum += b.mine.nbytes();
  for (const Buffer& b : buffers_)
    if (b.all) sum += b.all.nbytes();
  return sum;
}

Gathered::Gathered(Shards* shards, int64_t block, Context& context)
    : shards_(shards), block_(block), context_(context) {
  if (shards_ != nullptr) shards_->need(block_);
}

Gathered::~Gathered() {
  if (shards_ == nullptr || !context_.tape().recording()) return;
  context_.tape().on_backward([shards = shards_, block = block_] { shards->need(block); });
}

}  // namespace lowland::nn
