// A table of rows that kernels read, in the memory of a Context's backend.
#pragma once
#include <cstring>
#include <vector>

#include "engine/tensor.h"

namespace lowland::optim {

template <class Row> Tensor table_tensor(Context& context, const std::vector<Row>& rows) {
  static_assert(sizeof(Row) % sizeof(int64_t) == 0);
  std::vector<int64_t> words(rows.size() * sizeof(Row) / sizeof(int64_t));
  if (!rows.empty()) std::memcpy(words.data(), rows.data(), rows.size() * sizeof(Row));
  return Tensor::from<int64_t>(context, {static_cast<int64_t>(words.size())}, words);
}

}  // namespace lowland::optim
