#include "nn/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "engine/error.h"

namespace lowland::nn {
namespace {

using Ints = std::vector<int32_t>;

int64_t size_of(const Ints& v) { return v.size(); }
int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// The bucket of the longest segment: powers of two from 64 on. Rows cost time, but on this only the number of
// attention's blocks depends, which have nothing to do beyond the end of their segment; and each size is a graph more.
int64_t bucket_of_longest(int64_t n) { return std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(n, 64))); }

// The arrays of Rows on the host, in the order in which they lie in Rows::packed.
struct Arrays {
  Ints ids, example, position, cu_seqlens{0}, select, select_example, select_position, cu_select{0}, types;
  int64_t longest = 0, longest_select = 0;

  void add(const Segment& s) {
    const auto begin = static_cast<int32_t>(ids.size()), which = static_cast<int32_t>(s.example);
    const auto length = static_cast<int32_t>(s.ids.size());
    ids.insert(ids.end(), s.ids.begin(), s.ids.end());
    for (int32_t i = 0; i < length; ++i) {
      position.push_back(i);
      example.push_back(which);
    }
    if (!s.types.empty()) {
      LL_CHECK(size_of(s.types) == length, "{} token types in a segment of {} rows", s.types.size(), length);
      types.resize(begin, 0);
      types.insert(types.end(), s.types.begin(), s.types.end());
    }
    for (const int32_t row : s.select) {
      LL_CHECK(row >= 0 && row < length, "row {} selected in a segment of {} rows", row, length);
      select.push_back(begin + row);
      select_position.push_back(row);
      select_example.push_back(which);
    }
    cu_seqlens.push_back(static_cast<int32_t>(ids.size()));
    cu_select.push_back(static_cast<int32_t>(select.size()));
    longest = std::max<int64_t>(longest, length);
    longest_select = std::max<int64_t>(longest_select, s.select.size());
  }

  void grow_rows(int64_t N) {
    for (Ints* v : {&ids, &example, &position}) v->resize(N, 0);  // token 0 exists everywhere
    longest = bucket_of_longest(longest);
  }
  void grow_segments(int64_t S, int64_t K) {
    for (Ints* v : {&cu_seqlens, &cu_select}) v->resize(S + 1, v->back());
    for (Ints* v : {&select, &select_example, &select_position}) v->resize(K, 0);
    if (longest_select > 1) longest_select = longest;  // no size of its own
  }
  // `types` last: where no segment has any it takes no room.
  void close() {
    if (!types.empty()) types.resize(ids.size(), 0);
  }
  const Ints* all[9] = {&ids,       &example, &position, &cu_seqlens, &select, &select_example, &select_position,
                        &cu_select, &types};
};

// Each array of Rows begins at a multiple of 256 bytes.
constexpr int64_t kArrayAlign = 64;

}  // namespace

int64_t bucket_of(int64_t n) {
  if (n <= 64) return round_up(std::max<int64_t>(n, 1), 8);
  if (n <= 512) return round_up(n, 64);
  return round_up(n, std::bit_floor(static_cast<uint64_t>(n - 1)) / 8);
}

Rows Rows::over(const Tensor& array) const {
  Rows rows = *this;
  rows.packed = array;
  int64_t at = 0;
  const auto next = [&](int64_t n) {
    const Tensor part = array.slice_rows(at, at + n);
    at += round_up(n, kArrayAlign);
    return part;
  };
  rows.ids = next(N);
  rows.all.example = next(N);
  rows.all.position = next(N);
  rows.cu_seqlens = next(S + 1);
  rows.select = next(K);
  rows.selected.example = next(K);
  rows.selected.position = next(K);
  rows.cu_select = next(S + 1);
  if (typed) rows.types = next(N);
  return rows;
}

std::string Rows::shape_key() const {
  return fmt::format("{} {} {} {} {}{}", N, S, K, longest, longest_select, typed ? " typed" : "");
}

Rows pack(Context& context, const std::vector<Segment>& segments, Pack how) {
  Arrays a;
  for (const Segment& s : segments) a.add(s);
  Rows rows;
  rows.tokens = size_of(a.ids);
  if (how != Pack::exact) a.grow_rows(bucket_of(rows.tokens));
  if (how == Pack::buckets) {
    const int64_t S = segments.size(), K = size_of(a.select);
    a.grow_segments(S <= 8 ? std::bit_ceil(static_cast<uint64_t>(S)) : bucket_of(S), bucket_of(K));
  }
  a.close();
  rows.typed = !a.types.empty();
  rows.N = size_of(a.ids);
  rows.S = size_of(a.cu_seqlens) - 1;
  rows.K = size_of(a.select);
  rows.longest = a.longest;
  rows.longest_select = a.longest_select;
  Ints packed;
  for (const Ints* v : a.all) {
    packed.insert(packed.end(), v->begin(), v->end());
    packed.resize(round_up(size_of(packed), kArrayAlign), 0);
  }
  const PhaseScope phase(context.memory(), "data");
  return rows.over(Tensor::from<int32_t>(context, {size_of(packed)}, packed));
}

}  // namespace lowland::nn
