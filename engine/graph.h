// GraphCache: work that comes again in every step, captured once for each shape and replayed from then on.
//
//   cache.run(key, {packed, targets}, [&](const std::vector<Tensor>& in) { forward and backward over `in` });
//
//   first call of all           runs as it stands
//   first time a key is seen    runs as it stands, which shows how much memory it needs
//   second time                 captured with inputs of its own in memory that stays, then launched
//   from then on                the inputs are copied into those, and the captured work is launched
// The key must name everything that the launches depend on but the values of the inputs and of memory that stays
// (weights, gradients, StepScalars): sizes, modes, the view of the adapters. What the work allocates must be released
// when it returns and comes from one arena for all keys (engine/device/device_allocator.h); its results go to memory
// that stays. Work that the host takes part in (a value read or sent in the middle) cannot be captured: it runs as it
// stands every time, and note() says so. Results are the same in all cases. At most kMost graphs are kept, the least
// recently used goes first. A new key's graph is instantiated anew and no old one made to fit (cudaGraphExecUpdate):
// other sizes are other cuBLASLt kernels, which the update refuses, and nine steps in ten of real lengths replay.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/tensor.h"
#include "kernels/common/accelerator.h"

namespace lowland {

class GraphCache {
 public:
  static constexpr size_t kMost = 64;
  using Work = std::function<void(const std::vector<Tensor>& inputs)>;
  enum class Ran : uint8_t { direct, captured, replayed };

  explicit GraphCache(Context& context);
  // On the CPU, where it is switched off, and under LL_SYNC or LL_COMPARE, work always runs as it stands.
  void disable() { enabled_ = false; }
  Ran run(const std::string& key, const std::vector<Tensor>& inputs, const Work& work);

  size_t graphs() const;
  // Why something was not captured, in one sentence; empty if nothing was in the way.
  const std::string& note() const { return note_; }

 private:
  struct Entry {
    std::unique_ptr<CapturedWork> graph;  // absent: seen, not captured
    std::vector<Tensor> inputs;           // the graph's own
    size_t bytes = 0;                     // of the arena
    uint64_t used = 0;
    bool refused = false;
  };
  void run_direct(Entry& entry, const std::vector<Tensor>& inputs, const Work& work);
  bool capture(Entry& entry, const std::vector<Tensor>& inputs, const Work& work);
  void make_room();

  Context& context_;
  bool enabled_, broken_ = false, warm_ = false;
  uint64_t clock_ = 0;
  std::unordered_map<std::string, Entry> entries_;
  std::string note_;
};

}  // namespace lowland
