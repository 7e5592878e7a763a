#include "engine/io/gguf_writer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "engine/error.h"
#include "engine/io/gguf_types.h"
#include "kernels/common/blocks.h"
#include "kernels/common/half.h"

namespace lowland {
namespace {

constexpr uint32_t kVersion = 3;
constexpr size_t kAlignment = 32;
constexpr int64_t kEncoded = 1 << 16;  // numbers encoded at a time: whole blocks

size_t aligned(size_t at) { return (at + kAlignment - 1) / kAlignment * kAlignment; }

template <class T> void put(std::string& out, T x) { out.append(reinterpret_cast<const char*>(&x), sizeof x); }

void put_text(std::string& out, std::string_view text) {
  put(out, uint64_t{text.size()});
  out += text;
}

// The largest number that can be written: a scale of blocks is an f16.
float largest_of(const std::string& dtype) {
  constexpr float kHalf = 65504;
  if (dtype == "F16") return kHalf;
  if (dtype == "BF16") return 0x1.fep127F;
  if (dtype == "Q8_0") return kHalf * 127;
  if (dtype == "Q4_0") return kHalf * 8;
  return std::numeric_limits<float>::max();
}

}  // namespace

void GgufKeys::begin(const std::string& key, GgufKind kind) {
  ++count_;
  put_text(bytes_, key);
  raw(static_cast<uint32_t>(kind));
}

void GgufKeys::begin_list(const std::string& key, GgufKind kind, size_t count) {
  begin(key, GgufKind::list);
  raw(static_cast<uint32_t>(kind));
  raw(uint64_t{count});
}

void GgufKeys::text(const std::string& key, std::string_view value) {
  begin(key, GgufKind::text);
  put_text(bytes_, value);
}

void GgufKeys::whole(const std::string& key, int64_t value) {
  LL_CHECK(value >= 0 && value <= std::numeric_limits<uint32_t>::max(), "{} is {}, which GGUF does not hold there", key,
           value);
  begin(key, GgufKind::u32);
  raw(static_cast<uint32_t>(value));
}

void GgufKeys::number(const std::string& key, double value) {
  begin(key, GgufKind::f32);
  raw(static_cast<float>(value));
}

void GgufKeys::flag(const std::string& key, bool value) {
  begin(key, GgufKind::flag);
  raw(uint8_t{value});
}

void GgufKeys::texts(const std::string& key, const std::vector<std::string>& values) {
  begin_list(key, GgufKind::text, values.size());
  for (const std::string& value : values) put_text(bytes_, value);
}

void GgufKeys::wholes(const std::string& key, const std::vector<int32_t>& values) {
  begin_list(key, GgufKind::i32, values.size());
  for (const int32_t value : values) raw(value);
}

void GgufKeys::numbers(const std::string& key, const std::vector<float>& values) {
  begin_list(key, GgufKind::f32, values.size());
  for (const float value : values) raw(value);
}

void GgufKeys::copy(const std::string& key, const GgufValue& value) {
  if (value.list) {
    begin_list(key, value.kind, value.count);
  } else {
    begin(key, value.kind);
    if (value.kind == GgufKind::text) raw(uint64_t{value.bytes.size()});
  }
  bytes_ += value.bytes;
}

GgufWriter::GgufWriter(const std::string& path, const GgufKeys& keys, std::vector<TensorInfo> plan)
    : path_(path), plan_(std::move(plan)), file_(path) {
  std::string head = "GGUF";
  put(head, kVersion);
  put(head, uint64_t{plan_.size()});
  put(head, uint64_t{keys.count()});
  head += keys.bytes();
  std::set<std::string> names;
  size_t at = 0;
  for (TensorInfo& t : plan_) {
    const GgufType* type = gguf_type(t.dtype);
    LL_CHECK(names.insert(t.name).second, "cannot write {}: tensor `{}` is given twice", path, t.name);
    LL_CHECK(type != nullptr && type->bytes > 0 && !t.shape.empty() && t.shape.size() <= 4 && numel_of(t.shape) > 0,
             "cannot write {}: tensor `{}` of shape {} as {}", path, t.name, to_string(t.shape), t.dtype);
    LL_CHECK(t.shape.back() % type->block == 0,
             "cannot write {}: tensor `{}` has rows of {} numbers, which blocks of {} do not fill", path, t.name,
             t.shape.back(), type->block);
    t.begin = at;
    t.end = at + numel_of(t.shape) / type->block * type->bytes;
    at = aligned(t.end);
    put_text(head, t.name);
    put(head, static_cast<uint32_t>(t.shape.size()));
    for (size_t d = t.shape.size(); d-- > 0;) put(head, static_cast<uint64_t>(t.shape[d]));
    put(head, type->id);
    put(head, uint64_t{t.begin});
  }
  head.resize(aligned(head.size()), '\0');
  file_.write(head);
}

void GgufWriter::encode(const TensorInfo& t, const float* values, int64_t count) {
  const GgufType* type = gguf_type(t.dtype);
  part_.resize(count / type->block * type->bytes);
  char* out = part_.data();
  if (t.dtype == "F32") {
    std::memcpy(out, values, count * sizeof(float));
  } else if (t.dtype == "F16" || t.dtype == "BF16") {
    const bool half = t.dtype == "F16";
    for (int64_t i = 0; i < count; ++i) {
      const uint16_t bits = half ? float_to_half(values[i]) : bf16(values[i]).bits;
      std::memcpy(out + i * sizeof bits, &bits, sizeof bits);
    }
  } else {
    const auto blocks = block_type_of(t.dtype);
    LL_CHECK(blocks, "cannot write {}: tensor `{}` as {}", path_, t.name, t.dtype);
    encode_blocks(*blocks, values, count, reinterpret_cast<std::byte*>(out));
  }
}

void GgufWriter::append(const std::string& name, const Tensor& x) {
  LL_CHECK(done_ < plan_.size() && plan_[done_].name == name, "cannot write {}: tensor `{}` is not the next one", path_,
           name);
  const TensorInfo& t = plan_[done_++];
  LL_CHECK(x.shape() == t.shape && x.dtype() == DType::f32, "cannot write {}: tensor `{}` is {}, planned as {}", path_,
           name, describe(x), to_string(t.shape));
  const float largest = largest_of(t.dtype);
  const HostBytes bytes(x);
  const auto* values = bytes.as<float>();
  for (int64_t i = 0; i < x.numel(); i += kEncoded) {
    const int64_t count = std::min(kEncoded, x.numel() - i);
    LL_CHECK(std::all_of(values + i, values + i + count, [&](float v) { return std::abs(v) <= largest; }),
             "cannot write {}: tensor `{}` has a number that {} does not hold", path_, name, t.dtype);
    encode(t, values + i, count);
    file_.write(part_);
  }
  const std::string padding(aligned(t.end) - t.end, '\0');
  file_.write(padding);
}

void GgufWriter::finish() {
  LL_CHECK(done_ == plan_.size(), "cannot write {}: tensor `{}` is missing", path_, plan_[done_].name);
  file_.commit();
}

}  // namespace lowland
