// BlockCache: what the first blocks of a model give, where nothing trains them. Runs that differ in their method only
// see the same batches at the same steps (draws are functions of seed, step and example), so that of all runs after
// the first the lower blocks are read and not computed.
//
// A whole batch is kept, not an example: a matrix product of another number of rows may sum in another order, and a
// run with the cache ends with the bits of one without. The key is the content of what goes in: the embedded rows, the
// bounds of the segments, and where the blocks drop, seed, step and the rows' numbers. Weights are not in it: whoever
// shares a cache between models sees to it that their frozen weights are the same.
//
// The rows lie in ordinary memory on the host, outside the Context's account. Threads: one at a time.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "nn/rows.h"

namespace lowland::nn {

class Model;

class BlockCache {
 public:
  explicit BlockCache(size_t most_bytes) : most_(most_bytes) {}

  // What was not asked for since the run before this one began may give way to what is new; nothing else does.
  void begin_run() { ++run_; }
  void clear();

  // run(x) of the first `blocks` blocks, (N, C) -> (N, C), or the same from before. drops: they draw in training.
  // REQUIRES rows on the CPU, and that no backward goes through the blocks.
  Tensor output(int64_t blocks, const Tensor& x, const Rows& rows, const Mode& mode, bool drops,
                const std::function<Tensor(const Tensor&)>& run);

  struct Counts {
    int64_t found = 0, made = 0;
    size_t bytes = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Entry {
    std::vector<char> bytes;
    int64_t run = 0;  // that asked for it last
  };
  bool make_room(size_t bytes);

  size_t most_;
  int64_t run_ = 0;
  std::map<std::string, Entry> entries_;
  Counts counts_;
};

// How many of the model's first `count` blocks, whose modules are called PREFIX0., PREFIX1. and so on, have neither a
// pair, nor anything trained, nor a probe.
int64_t frozen_blocks(const Model& model, const std::string& prefix, int64_t count);

// run(x, first, end) over blocks [0, cut) by way of the model's cache, where it has one and they can be kept; cut is
// what frozen_blocks says, but never all of `count`. Gives the rows and the block to go on with (0: x is as it was).
struct FromBlock {
  Tensor x;
  int64_t next = 0;
};
FromBlock kept_blocks(const Model& model, const std::string& prefix, int64_t count, const Tensor& x, const Rows& rows,
                      const Mode& mode, bool drops, const std::function<Tensor(const Tensor& x, int64_t end)>& run);

}  // namespace lowland::nn
