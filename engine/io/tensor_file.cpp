#include "engine/io/tensor_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/error.h"
#include "engine/io/gguf.h"
#include "engine/io/gguf_types.h"
#include "engine/io/read_blocks.h"
#include "engine/io/row_order.h"
#include "engine/io/safetensors.h"
#include "engine/io/torch_file.h"
#include "kernels/common/blocks.h"

namespace lowland {
namespace {

// The elements of a tensor with strides, row by row; `from` is its first.
template <size_t kBytes> void gather(char* to, const char* from, const TensorInfo& t) {
  const size_t rank = t.shape.size();
  const int64_t inner = rank == 0 ? 1 : t.shape.back(), step = rank == 0 ? 1 : t.strides.back();
  Shape at(rank, 0);
  for (int64_t left = numel_of(t.shape), offset = 0; left > 0; left -= inner) {
    for (int64_t i = 0; i < inner; ++i, to += kBytes) std::memcpy(to, from + (offset + i * step) * kBytes, kBytes);
    for (size_t d = rank - 1; d-- > 0;) {  // the next row
      offset += t.strides[d];
      if (++at[d] < t.shape[d]) break;
      offset -= t.strides[d] * t.shape[d];
      at[d] = 0;
    }
  }
}

// Numbers that are not as they are in the file: in blocks, or with something added. By way of f32, a part at a time.
bool convert_changed(char* to, DType dtype, const char* from, const TensorInfo& t, const std::string& path) {
  constexpr int64_t kPart = 1 << 14;  // whole blocks of any type
  const GgufType* type = gguf_type(t.dtype);
  const int64_t n = numel_of(t.shape);
  std::vector<float> part(std::min(n, kPart));
  for (int64_t i = 0; i < n; i += kPart) {
    const int64_t count = std::min(kPart, n - i);
    const char* at = from + i / type->block * type->bytes;
    if (const auto blocks = block_type_of(t.dtype))
      decode_blocks(*blocks, reinterpret_cast<const std::byte*>(at), count, part.data());
    else if (!convert_from_file(part.data(), DType::f32, at, t.dtype, count))
      return false;
    LL_CHECK(std::all_of(part.begin(), part.begin() + count, [](float x) { return std::isfinite(x); }),
             "tensor `{}` of {} has a number that is NaN or infinite: the file is damaged", t.name, path);
    for (int64_t j = 0; j < count; ++j) part[j] -= t.added;
    if (!convert_from_file(to + i * size_of(dtype), dtype, part.data(), "F32", count)) return false;
  }
  return true;
}

}  // namespace

TensorFile::TensorFile(const std::string& path) : path_(path), map_(std::make_shared<const MappedFile>(path)) {
  LL_CHECK(!content().empty(), "{} is empty: was the download cut off?", path);
  LL_CHECK(!content().starts_with("version https://git-lfs"),
           "{} is a Git LFS pointer, not the file itself: `git lfs pull` fetches that", path);
}

void TensorFile::set_tensors(std::string_view data, std::vector<TensorInfo> tensors) {
  data_ = data;
  tensors_ = std::move(tensors);
  std::sort(tensors_.begin(), tensors_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
}

const TensorInfo* TensorFile::find(const std::string& name) const {
  const auto it = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                   [](const TensorInfo& t, const std::string& n) { return t.name < n; });
  return it != tensors_.end() && it->name == name ? &*it : nullptr;
}

const TensorInfo& TensorFile::info(const std::string& name) const {
  const TensorInfo* t = find(name);
  if (!t) fail("{} has no tensor `{}`", path_, name);
  return *t;
}

TensorBytes TensorFile::bytes(const std::string& name) const {
  const TensorInfo& t = info(name);
  const std::string_view span = data_.substr(t.begin, t.end - t.begin);
  if (t.paired_heads > 0) {
    auto copy = std::make_unique_for_overwrite<char[]>(span.size());
    rows_to_halves(copy.get(), span.data(), t.shape[0], span.size() / t.shape[0], t.paired_heads);
    return TensorBytes(std::move(copy), span.size());
  }
  if (t.strides.empty()) return TensorBytes(span);
  const size_t element = file_dtype_bytes(t.dtype), bytes = numel_of(t.shape) * element;
  auto copy = std::make_unique_for_overwrite<char[]>(bytes);
  switch (element) {
    case 1: gather<1>(copy.get(), span.data(), t); break;
    case 2: gather<2>(copy.get(), span.data(), t); break;
    case 4: gather<4>(copy.get(), span.data(), t); break;
    default: gather<8>(copy.get(), span.data(), t); break;
  }
  return TensorBytes(std::move(copy), bytes);
}

void TensorFile::read_into(const std::string& name, const Tensor& into) const {
  const TensorInfo& t = info(name);
  LL_CHECK(t.shape == into.shape(), "tensor `{}` of {} has shape {} where {} is needed", name, path_,
           to_string(t.shape), to_string(into.shape()));
  const TensorBytes from = bytes(name);
  if (is_blocks(into.dtype())) {
    if (const DType type = block_type_named(t.dtype); is_blocks(type)) {
      const int64_t row = row_bytes(type, into.dim(1));
      read_block_rows(into, type, fmt::format("tensor `{}` of {}", name, path_),
                      [&](int64_t r, std::byte* to) { std::memcpy(to, from.data() + r * row, row); });
    } else if (!quantise_rows(into, from.data(), t.dtype)) {
      fail("tensor `{}` of {} has dtype {}, which cannot be read as {}", name, path_, t.dtype, name_of(into.dtype()));
    }
    return map_->drop(data_.substr(t.begin, t.end - t.begin));
  }
  const auto convert = [&](void* to) {
    const bool changed = t.added != 0 || block_type_of(t.dtype);
    if (!(changed ? convert_changed(static_cast<char*>(to), into.dtype(), from.data(), t, path_)
                  : convert_from_file(to, into.dtype(), from.data(), t.dtype, into.numel())))
      fail("tensor `{}` of {} has dtype {}, which cannot be read as {}", name, path_, t.dtype, name_of(into.dtype()));
  };
  if (into.context().on_cpu()) {
    convert(into.raw());
  } else {
    std::vector<char> here(into.nbytes());
    convert(here.data());
    into.assign_bytes(here.data());
  }
  map_->drop(data_.substr(t.begin, t.end - t.begin));
}

Tensor TensorFile::borrow(Context& context, const std::string& name, DType dtype) const {
  const TensorInfo& t = info(name);
  const size_t alignment = std::max<size_t>(4, size_of(dtype));
  const char* from = data_.data() + t.begin;
  if (t.dtype != file_dtype_of(dtype) || !t.strides.empty() || t.paired_heads > 0 || t.added != 0) return {};
  if (reinterpret_cast<uintptr_t>(from) % alignment != 0) return {};
  if (context.device().type != DeviceType::cpu) return {};
  return Tensor::borrow(context, t.shape, dtype, const_cast<char*>(from), map_);
}

Tensor TensorFile::load(Context& context, const std::string& name, DType dtype) const {
  Tensor x = borrow(context, name, dtype);
  if (x) return x;
  x = Tensor::empty(context, info(name).shape, dtype);
  read_into(name, x);
  return x;
}

std::shared_ptr<const TensorFile> open_tensor_file(const std::string& path) {
  bool torch = false, gguf = false;
  {
    const MappedFile file(path);
    const std::string_view start = file.bytes().substr(0, 9);
    const bool header = start.size() == 9 && start[8] == '{';  // of safetensors, after its length
    gguf = start.starts_with("GGUF");
    torch = start.starts_with("PK\3\4") || (!header && (start.starts_with("\x80") || path.ends_with(".bin")));
  }
  if (gguf) return std::make_shared<const GgufFile>(path);
  if (torch) return std::make_shared<const TorchFile>(path);
  return std::make_shared<const SafetensorsFile>(path);
}

}  // namespace lowland
