#include "engine/io/read_blocks.h"

#include <vector>

#include "engine/error.h"
#include "engine/io/safetensors_dtype.h"
#include "kernels/common/blocks.h"

namespace lowland {
namespace {

// fill(r, bytes of row r) for every row: in the tensor's own memory, or on the host and then sent.
template <class F> void fill_rows(const Tensor& into, const F& fill) {
  const int64_t rows = into.dim(0);
  if (rows == 0) return;
  const size_t row = into.nbytes() / rows;
  std::vector<std::byte> here(into.context().on_cpu() ? 0 : into.nbytes());
  std::byte* to = here.empty() ? static_cast<std::byte*>(into.raw()) : here.data();
  for (int64_t r = 0; r < rows; ++r) fill(r, to + r * row);
  if (!here.empty()) into.assign_bytes(here.data());
}

}  // namespace

void read_block_rows(const Tensor& into, DType type, const std::string& what, const PutRow& put) {
  const int64_t columns = into.dim(1);
  const bool same = into.dtype() == type;
  std::vector<std::byte> blocks(same ? 0 : row_bytes(type, columns));
  std::vector<float> numbers(same ? 0 : columns);
  fill_rows(into, [&](int64_t r, std::byte* to) {
    std::byte* const row = same ? to : blocks.data();
    put(r, row);
    LL_CHECK(finite_scales(type, row, columns), "{}: row {} has a scale that is NaN or infinite", what, r);
    if (same) return;
    decode_row(type, row, columns, 0, columns, numbers.data());
    if (is_blocks(into.dtype())) return encode_row(into.dtype(), numbers.data(), columns, to);
    if (!convert_from_file(to, into.dtype(), numbers.data(), "F32", columns))
      fail("{} is {}, which cannot be read as {}", what, name_of(type), name_of(into.dtype()));
  });
}

bool quantise_rows(const Tensor& into, const char* from, std::string_view dtype) {
  const int64_t columns = into.dim(1);
  const size_t row = columns * file_dtype_bytes(dtype);
  std::vector<float> numbers(columns);
  if (!convert_from_file(numbers.data(), DType::f32, from, dtype, 0)) return false;
  fill_rows(into, [&](int64_t r, std::byte* to) {
    convert_from_file(numbers.data(), DType::f32, from + r * row, dtype, columns);
    encode_row(into.dtype(), numbers.data(), columns, to);
  });
  return true;
}

}  // namespace lowland
