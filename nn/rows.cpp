#include "nn/rows.h"

#include "engine/error.h"

namespace lowland::nn {

Rows pack(Context& context, const std::vector<Segment>& segments) {
  std::vector<int32_t> ids, positions, example, cu = {0}, select, select_position, select_example, cu_select = {0};
  for (const Segment& s : segments) {
    const auto begin = static_cast<int32_t>(ids.size()), which = static_cast<int32_t>(s.example);
    const auto length = static_cast<int32_t>(s.ids.size());
    ids.insert(ids.end(), s.ids.begin(), s.ids.end());
    for (int32_t i = 0; i < length; ++i) {
      positions.push_back(i);
      example.push_back(which);
    }
    for (const int32_t row : s.select) {
      LL_CHECK(row >= 0 && row < length, "row {} selected in a segment of {} rows", row, length);
      select.push_back(begin + row);
      select_position.push_back(row);
      select_example.push_back(which);
    }
    cu.push_back(static_cast<int32_t>(ids.size()));
    cu_select.push_back(static_cast<int32_t>(select.size()));
  }
  const PhaseScope phase(context.memory(), "data");
  const auto tensor = [&](const std::vector<int32_t>& v) {
    return Tensor::from<int32_t>(context, {static_cast<int64_t>(v.size())}, v);
  };
  Rows rows;
  rows.N = static_cast<int64_t>(ids.size());
  rows.S = static_cast<int64_t>(segments.size());
  rows.K = static_cast<int64_t>(select.size());
  rows.ids = tensor(ids);
  rows.all = {tensor(example), tensor(positions)};
  rows.cu_seqlens = tensor(cu);
  rows.select = tensor(select);
  rows.selected = {tensor(select_example), tensor(select_position)};
  rows.cu_select = tensor(cu_select);
  return rows;
}

}  // namespace lowland::nn
