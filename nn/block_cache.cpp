#include "nn/block_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "engine/io/content_hash.h"
#include "nn/model.h"

namespace lowland::nn {
namespace {

std::string hash_of(const Tensor& t) { return content_hash_of({static_cast<const char*>(t.raw()), t.nbytes()}); }

// The number of the block that a module or parameter is of; `count` where it is of none.
int64_t block_of(const std::string& name, const std::string& prefix, int64_t count) {
  if (!name.starts_with(prefix)) return count;
  int64_t block = count;
  std::from_chars(name.data() + prefix.size(), name.data() + name.size(), block);
  return std::min(block, count);
}

}  // namespace

void BlockCache::clear() {
  entries_.clear();
  counts_ = {};
}

bool BlockCache::make_room(size_t bytes) {
  while (counts_.bytes + bytes > most_) {
    const auto oldest = std::min_element(entries_.begin(), entries_.end(),
                                         [](const auto& a, const auto& b) { return a.second.run < b.second.run; });
    if (oldest == entries_.end() || oldest->second.run >= run_ - 1) return false;
    counts_.bytes -= oldest->second.bytes.size();
    entries_.erase(oldest);
  }
  return true;
}

Tensor BlockCache::output(int64_t blocks, const Tensor& x, const Rows& rows, const Mode& mode, bool drops,
                          const std::function<Tensor(const Tensor&)>& run) {
  std::string key = fmt::format("{} {} {} {} {}", blocks, to_string(x.shape()), name_of(x.dtype()), hash_of(x),
                                hash_of(rows.cu_seqlens));
  if (drops && mode.training)
    key += fmt::format(" {} {} {} {}", mode.seed, mode.step, hash_of(rows.all.example), hash_of(rows.all.position));
  if (const auto found = entries_.find(key); found != entries_.end()) {
    ++counts_.found;
    found->second.run = run_;
    const Tensor y = Tensor::empty(x.context(), x.shape(), x.dtype());  // (N, C)
    y.assign_bytes(found->second.bytes.data());
    return y;
  }
  ++counts_.made;
  const Tensor y = run(x);  // (N, C)
  if (!make_room(y.nbytes())) return y;
  const char* const bytes = static_cast<const char*>(y.raw());
  entries_[key] = {{bytes, bytes + y.nbytes()}, run_};
  counts_.bytes += y.nbytes();
  return y;
}

int64_t frozen_blocks(const Model& model, const std::string& prefix, int64_t count) {
  int64_t first = count;
  const auto changed = [&](const std::string& name) { first = std::min(first, block_of(name, prefix, count)); };
  for (const auto& p : model.parameters().all())
    if (p->trainable) changed(p->name);
  for (const AdapterSpec& a : model.adapters()) changed(a.module);
  for (const Linear* linear : model.linears())
    if (linear->probe()) changed(linear->parts().front().module);
  return first;
}

FromBlock kept_blocks(const Model& model, const std::string& prefix, int64_t count, const Tensor& x, const Rows& rows,
                      const Mode& mode, bool drops, const std::function<Tensor(const Tensor& x, int64_t end)>& run) {
  BlockCache* const cache = model.block_cache();
  if (cache == nullptr || !x.context().on_cpu() || x.requires_grad()) return {x, 0};
  const int64_t cut = std::min(frozen_blocks(model, prefix, count), count - 1);  // the last one gives selected rows
  if (cut <= 0) return {x, 0};
  return {cache->output(cut, x, rows, mode, drops, [&](const Tensor& in) { return run(in, cut); }), cut};
}

}  // namespace lowland::nn
