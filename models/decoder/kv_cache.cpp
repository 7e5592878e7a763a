#include "models/decoder/kv_cache.h"

#include "engine/error.h"
#include "engine/ops/ops.h"

namespace lowland {

KvCache::KvCache(Context& context, const DecoderConfig& config, DType dtype, std::vector<int64_t> capacities)
    : context_(context), start_{0}, length_(capacities.size(), 0) {
  for (const int64_t capacity : capacities) start_.push_back(start_.back() + capacity);
  LL_CHECK(start_.back() < (int64_t{1} << 31), "a cache of {} positions is more than this program can number",
           start_.back());
  const PhaseScope phase(context.memory(), "cache");
  const int64_t width = 2 * config.num_key_value_heads * config.head_dim;
  const size_t bytes = config.num_hidden_layers * start_.back() * width * size_of(dtype),
               free_bytes = context.memory().free_bytes();
  LL_CHECK(bytes <= free_bytes,
           "out of memory: keys and values of {} sequences, {} tokens in all, take {:.1f} MB and {:.1f} MB are free: "
           "generate fewer at once, or fewer tokens of each",
           capacities.size(), start_.back(), static_cast<double>(bytes) / 1e6, static_cast<double>(free_bytes) / 1e6);
  for (int64_t i = 0; i < config.num_hidden_layers; ++i)
    layers_.push_back(Tensor::zeros(context, {start_.back(), width}, dtype));  // (all positions, 2 NKV HD)
}

nn::Rows KvCache::append(const std::vector<std::vector<int32_t>>& tokens) {
  LL_CHECK(tokens.size() == sequences(), "new tokens for {} sequences, the cache has {}", tokens.size(), sequences());
  std::vector<int32_t> ids, position, example, select, select_position, select_example, cu = {0}, cu_select = {0};
  std::vector<int32_t> new_rows, cu_q = {0}, cu_k = {0};
  const auto i32 = [](auto n) { return static_cast<int32_t>(n); };
  for (size_t s = 0; s < tokens.size(); ++s) {
    const int64_t n = tokens[s].size();
    LL_CHECK(length_[s] + n <= capacity(s), "sequence {} has {} tokens and room for {}: {} more do not fit", s,
             length_[s], capacity(s), n);
    for (int64_t i = 0; i < n; ++i) {
      position.push_back(i32(length_[s] + i));
      example.push_back(i32(s));
      new_rows.push_back(i32(start_[s] + length_[s] + i));
    }
    ids.insert(ids.end(), tokens[s].begin(), tokens[s].end());
    length_[s] += n;
    if (n > 0) {
      select.push_back(i32(ids.size() - 1));
      select_position.push_back(position.back());
      select_example.push_back(i32(s));
    }
    cu.push_back(i32(ids.size()));
    cu_select.push_back(i32(select.size()));
    cu_q.insert(cu_q.end(), {i32(ids.size()), i32(ids.size())});
    cu_k.insert(cu_k.end(), {i32(start_[s] + length_[s]), i32(start_[s + 1])});
  }
  const auto tensor = [&](const std::vector<int32_t>& v) {
    return Tensor::from<int32_t>(context_, {static_cast<int64_t>(v.size())}, v);
  };
  new_rows_ = tensor(new_rows);
  cu_q_ = tensor(cu_q);
  cu_k_ = tensor(cu_k);
  nn::Rows rows;
  rows.N = ids.size();
  rows.S = tokens.size();
  rows.K = select.size();
  rows.ids = tensor(ids);
  rows.all = {tensor(example), tensor(position)};
  rows.cu_seqlens = tensor(cu);
  rows.select = tensor(select);
  rows.selected = {tensor(select_example), tensor(select_position)};
  rows.cu_select = tensor(cu_select);
  return rows;
}

void KvCache::copy(const std::vector<Copy>& copies) {
  std::vector<int32_t> from, to;
  std::vector<int64_t> length = length_;
  for (const Copy& c : copies) {
    LL_CHECK(c.from < sequences() && c.to < sequences() && c.same >= 0 && length_[c.from] <= capacity(c.to),
             "sequence {} of a cache cannot become what {} is", c.to, c.from);
    length[c.to] = length_[c.from];
    for (int64_t i = c.same; i < length[c.to]; ++i) {
      from.push_back(static_cast<int32_t>(start_[c.from] + i));
      to.push_back(static_cast<int32_t>(start_[c.to] + i));
    }
  }
  length_ = std::move(length);
  if (from.empty()) return;
  const Shape shape = {std::ssize(from)};
  const Tensor source = Tensor::from<int32_t>(context_, shape, from), into = Tensor::from<int32_t>(context_, shape, to);
  for (const Tensor& layer : layers_) ops::scatter_rows(layer, ops::gather_rows(layer, source), into, 0);
}

void KvCache::cut(size_t sequence, int64_t length) {
  LL_CHECK(sequence < sequences() && length >= 0 && length <= length_[sequence],
           "cannot cut a sequence of {} tokens to {}", sequence < sequences() ? length_[sequence] : 0, length);
  length_[sequence] = length;
}

}  // namespace lowland
