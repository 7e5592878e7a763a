#include "engine/graph.h"

#include <algorithm>

#include "engine/autograd.h"
#include "engine/device/device_allocator.h"
#include "engine/error.h"
#include "engine/op_log.h"
#include "kernels/common/environment.h"

namespace lowland {

// Both variables have every launch looked at by itself.
GraphCache::GraphCache(Context& context)
    : context_(context), enabled_(!environment::kSync.on() && !environment::kCompare.on()) {}

size_t GraphCache::graphs() const {
  return std::count_if(entries_.begin(), entries_.end(), [](const auto& e) { return e.second.graph != nullptr; });
}

GraphCache::Ran GraphCache::run(const std::string& key, const std::vector<Tensor>& inputs, const Work& work) {
  if (context_.on_cpu() || !enabled_ || broken_ || context_.op_log().active()) {
    work(inputs);
    return Ran::direct;
  }
  if (!warm_) {  // whatever is made at first use is made here, outside the arena of steps
    warm_ = true;
    work(inputs);
    return Ran::direct;
  }
  const bool known = entries_.count(key) != 0;
  Entry& entry = entries_[key];
  entry.used = ++clock_;
  if (entry.graph) {
    for (size_t i = 0; i < inputs.size(); ++i) entry.inputs[i].copy_from(inputs[i]);
    entry.graph->launch();
    return Ran::replayed;
  }
  if (!known || entry.refused || !capture(entry, inputs, work)) {
    run_direct(entry, inputs, work);
    return Ran::direct;
  }
  entry.graph->launch();
  return Ran::captured;
}

void GraphCache::run_direct(Entry& entry, const std::vector<Tensor>& inputs, const Work& work) {
  if (entry.refused) return work(inputs);
  DeviceAllocator& memory = *context_.device_memory();
  memory.begin_work();
  try {
    work(inputs);
  } catch (...) {
    context_.tape().clear();
    memory.end_work();
    broken_ = memory.work_blocks() > 0;
    throw;
  }
  entry.bytes = memory.end_work();
  if (memory.work_blocks() == 0) return;
  broken_ = true;  // the plan of the arena can no longer be repeated
  note_ = "steps are not captured as graphs: one of them leaves tensors behind";
}

bool GraphCache::capture(Entry& entry, const std::vector<Tensor>& inputs, const Work& work) {
  DeviceAllocator& memory = *context_.device_memory();
  make_room();
  try {
    if (entry.bytes > memory.arena_bytes()) {
      context_.wait();  // a replay may be at work in the old arena
      for (auto& [key, other] : entries_) other.graph.reset();
      memory.grow_arena(entry.bytes + entry.bytes / 8);
    }
  } catch (const Error& e) {
    entry.refused = true;
    note_ = std::string("steps of some sizes are not captured as graphs: ") + e.what();
    return false;
  }
  entry.inputs.clear();
  for (const Tensor& t : inputs) entry.inputs.push_back(t.clone());
  Accelerator& device = *context_.accelerator();
  memory.begin_work();
  device.begin_capture();
  try {
    work(entry.inputs);
    entry.graph = device.end_capture();
  } catch (const Error& e) {
    device.abandon_capture();
    context_.tape().clear();
    entry.inputs.clear();
    entry.refused = true;
    note_ = e.what();
  }
  memory.end_work();
  broken_ = memory.work_blocks() > 0;
  return entry.graph != nullptr;
}

void GraphCache::make_room() {
  while (graphs() >= kMost) {
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it)
      if (it->second.graph && (oldest == entries_.end() || it->second.used < oldest->second.used)) oldest = it;
    context_.wait();
    oldest->second.graph.reset();
    oldest->second.inputs.clear();
  }
}

}  // namespace lowland
