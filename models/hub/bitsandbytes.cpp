#include "models/hub/bitsandbytes.h"

#include <algorithm>
#include <cstring>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/read_blocks.h"
#include "kernels/common/blocks.h"

namespace lowland {
namespace {

constexpr const char* kState = ".quant_state.bitsandbytes__nf4";

std::vector<float> floats(const TensorBytes& bytes) {
  std::vector<float> out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(float));
  return out;
}

const std::byte* as_bytes(const TensorBytes& bytes) { return reinterpret_cast<const std::byte*>(bytes.data()); }

bool same(const std::vector<float>& a, const float* b) { return std::memcmp(a.data(), b, a.size() * 4) == 0; }

// A whole number of at least 1; 0: it is not one.
int64_t whole(const nlohmann::json& state, const char* key) {
  const auto it = state.find(key);
  return it != state.end() && it->is_number_integer() && *it > 0 && *it < (int64_t{1} << 40) ? it->get<int64_t>() : 0;
}

}  // namespace

std::optional<BnbMatrix> BnbMatrix::of(const std::string& name, const Find& find) {
  std::string in_file;
  const TensorFile* file = find(name, in_file);
  if (file == nullptr || !name.ends_with(".weight")) return std::nullopt;
  const TensorInfo& t = file->info(in_file);
  if (t.dtype != "I8" && t.dtype != "U8") return std::nullopt;
  return BnbMatrix(name, find);
}

BnbMatrix::BnbMatrix(std::string name, const Find& find) : name_(std::move(name)), find_(&find) {
  codes_.file = find(name_, codes_.name);
  const TensorInfo& codes = codes_.file->info(codes_.name);
  if (codes.dtype == "I8")
    open_int8(codes);
  else
    open_nf4(codes);
  find_ = nullptr;
}

BnbMatrix::Part BnbMatrix::need(const std::string& part, const char* dtype, int64_t numbers) {
  Part p;
  p.file = (*find_)(part, p.name);
  LL_CHECK(p.file != nullptr, "`{}` of {} is quantised by bitsandbytes, but there is no `{}` beside it", name_,
           codes_.file->path(), part);
  const TensorInfo& t = p.file->info(p.name);
  LL_CHECK(t.dtype == dtype && (numbers < 0 || numel_of(t.shape) == numbers),
           "`{}` of {} is {} {} where {} numbers in {} are needed, for `{}`", part, p.file->path(), t.dtype,
           to_string(t.shape), numbers < 0 ? "its" : std::to_string(numbers), dtype, name_);
  parts_.push_back(part);
  return p;
}

void BnbMatrix::open_int8(const TensorInfo& codes) {
  const std::string module = name_.substr(0, name_.size() - std::strlen(".weight"));
  LL_CHECK(codes.shape.size() == 2, "`{}` of {} is int8 but has shape {}", name_, codes_.file->path(),
           to_string(codes.shape));
  absmax_ = need(module + ".SCB", "F32", codes.shape[0]);
  std::string format;
  if (const TensorFile* file = (*find_)(name_ + "_format", format)) {
    const TensorBytes kind = file->bytes(format);
    LL_CHECK(kind.size() == 1 && *kind.data() == 0, "`{}` of {} is not in rows: its layout is another's", name_,
             codes_.file->path());
    parts_.push_back(name_ + "_format");
  }
  info_ = {.name = codes_.name, .dtype = "INT8", .shape = codes.shape};
}

void BnbMatrix::open_nf4(const TensorInfo& codes) {
  const std::string& path = codes_.file->path();
  std::string other;
  LL_CHECK((*find_)(name_ + ".quant_state.bitsandbytes__fp4", other) == nullptr,
           "`{}` of {} is in FP4, which is not read: NF4 is", name_, path);
  const Part state = need(name_ + kState, "U8", -1);
  const nlohmann::json json =
      nlohmann::json::parse(std::string_view(state.bytes().data(), state.bytes().size()), nullptr, false);
  const auto is_shape = [](const nlohmann::json& s) {
    return s.is_array() && s.size() == 2 && std::all_of(s.begin(), s.end(), [](const nlohmann::json& d) {
             return d.is_number_integer() && d > 0 && d < (int64_t{1} << 31);
           });
  };
  LL_CHECK(json.is_object() && json.contains("shape") && is_shape(json["shape"]) && whole(json, "blocksize") > 0,
           "`{}{}` of {} says no shape and blocksize", name_, kState, path);
  info_ = {.name = codes_.name, .dtype = "NF4", .shape = json["shape"].get<Shape>()};
  block_ = whole(json, "blocksize");
  const int64_t n = numel_of(info_.shape);
  LL_CHECK(numel_of(codes.shape) == (n + 1) / 2, "`{}` of {} has {} bytes, its quant_state says shape {}", name_, path,
           numel_of(codes.shape), to_string(info_.shape));
  LL_CHECK(block_ % 64 == 0 && n % block_ == 0 && info_.shape[1] % 64 == 0,
           "`{}` of {} is {} in blocks of {}: rows must be whole blocks of 64 values", name_, path,
           to_string(info_.shape), block_);
  const int64_t blocks = n / block_;
  const Part map = need(name_ + ".quant_map", "F32", 16);
  LL_CHECK(same(floats(map.bytes()), kNf4), "`{}.quant_map` of {} does not hold NF4's values", name_, path);
  type_ = DType::nf4;
  if (!json.contains("nested_offset")) {
    absmax_ = need(name_ + ".absmax", "F32", blocks);
    return;
  }
  nested_block_ = whole(json, "nested_blocksize");
  LL_CHECK(json["nested_offset"].is_number() && nested_block_ > 0,
           "`{}{}` of {} says nested_offset without nested_blocksize", name_, kState, path);
  offset_ = json["nested_offset"].get<float>();
  absmax_ = need(name_ + ".absmax", "U8", blocks);
  nested_ = need(name_ + ".nested_absmax", "F32", (blocks + nested_block_ - 1) / nested_block_);
  map_ = need(name_ + ".nested_quant_map", "F32", 256);
  if (block_ == 64 && nested_block_ == 256 && same(floats(map_.bytes()), kDynamic.data())) type_ = DType::nf4_nested;
}

std::vector<float> BnbMatrix::scales() const {
  std::vector<float> each;
  if (map_.file == nullptr) {
    each = floats(absmax_.bytes());
  } else {
    const TensorBytes codes = absmax_.bytes();
    const std::vector<float> outer = floats(nested_.bytes()), map = floats(map_.bytes());
    for (size_t b = 0; b < codes.size(); ++b) {
      const float inner = map[static_cast<uint8_t>(codes.data()[b])] * outer[b / nested_block_];
      each.push_back(inner + offset_);
    }
  }
  std::vector<float> out;
  out.reserve(each.size() * (block_ / 64));
  for (const float s : each) out.insert(out.end(), block_ / 64, s);
  return out;
}

void BnbMatrix::read_into(const Tensor& into) const {
  const std::string what = fmt::format("`{}` of {}", name_, codes_.file->path());
  LL_CHECK(into.shape() == info_.shape, "{} has shape {} where {} is needed", what, to_string(info_.shape),
           to_string(into.shape()));
  const int64_t rows = info_.shape[0], columns = info_.shape[1];
  const TensorBytes codes = codes_.bytes(), absmax = absmax_.bytes();
  if (type_ == DType::nf4_nested) {
    const std::vector<float> outer = floats(nested_.bytes());
    const NestedScales nested{as_bytes(absmax), outer.data(), offset_};
    return read_block_rows(into, type_, what, [&](int64_t r, std::byte* to) {
      pack_nf4_nested_row(to, as_bytes(codes), nested, r, columns, rows);
    });
  }
  const std::vector<float> of_rows = type_ == DType::int8 ? floats(absmax) : scales();
  read_block_rows(into, type_, what, [&](int64_t r, std::byte* to) {
    if (type_ == DType::int8)
      pack_int8_row(to, as_bytes(codes), of_rows.data(), r, columns);
    else
      pack_nf4_row(to, as_bytes(codes), of_rows.data(), r, columns);
  });
}

}  // namespace lowland
