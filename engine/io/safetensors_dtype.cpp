#include "engine/io/safetensors_dtype.h"

#include <cstring>
#include <type_traits>

#include "kernels/common/half.h"

namespace lowland {
namespace {

struct half {
  uint16_t bits;
};

struct FileDType {
  std::string_view name;
  size_t bytes;
};

constexpr FileDType kFileDTypes[] = {{"F64", 8},  {"F32", 4}, {"F16", 2},     {"BF16", 2},   {"I64", 8}, {"I32", 4},
                                     {"I16", 2},  {"I8", 1},  {"U64", 8},     {"U32", 4},    {"U16", 2}, {"U8", 1},
                                     {"BOOL", 1}, {"C64", 8}, {"F8_E4M3", 1}, {"F8_E5M2", 1}};

template <class From> double widen(From x) {
  if constexpr (std::is_same_v<From, half>) {
    return static_cast<double>(half_to_float(x.bits));
  } else if constexpr (std::is_same_v<From, bf16>) {
    return static_cast<double>(static_cast<float>(x));
  } else {
    return static_cast<double>(x);
  }
}

template <class From, class To> void convert(void* to, const void* from, int64_t n) {
  if constexpr (std::is_same_v<From, To>) {
    if (n > 0) std::memcpy(to, from, n * sizeof(To));
    return;
  }
  const char* bytes = static_cast<const char*>(from);
  To* out = static_cast<To*>(to);
  for (int64_t i = 0; i < n; ++i) {
    From x;
    std::memcpy(&x, bytes + i * sizeof(From), sizeof x);  // the file's bytes may be unaligned
    if constexpr (std::is_integral_v<From>) {
      out[i] = static_cast<To>(x);
    } else if constexpr (std::is_same_v<To, bf16>) {
      out[i] = bf16(static_cast<float>(widen(x)));
    } else {
      out[i] = static_cast<To>(widen(x));
    }
  }
}

template <class From> bool convert_float(void* to, DType to_dtype, const void* from, int64_t n) {
  switch (to_dtype) {
    case DType::f32: return convert<From, float>(to, from, n), true;
    case DType::f64: return convert<From, double>(to, from, n), true;
    case DType::bf16: return convert<From, bf16>(to, from, n), true;
    default: return false;
  }
}

// Never narrows: an i64 is not read as i32.
template <class From> bool convert_whole(void* to, DType to_dtype, const void* from, int64_t n) {
  if (to_dtype == DType::i64) return convert<From, int64_t>(to, from, n), true;
  if constexpr (sizeof(From) <= 4) {
    if (to_dtype == DType::i32) return convert<From, int32_t>(to, from, n), true;
  }
  return false;
}

}  // namespace

size_t file_dtype_bytes(std::string_view dtype) {
  for (const FileDType& t : kFileDTypes) {
    if (t.name == dtype) return t.bytes;
  }
  return 0;
}

std::string_view file_dtype_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return "F32";
    case DType::f64: return "F64";
    case DType::bf16: return "BF16";
    case DType::i32: return "I32";
    case DType::i64: return "I64";
    default: return {};
  }
}

bool convert_from_file(void* to, DType to_dtype, const void* from, std::string_view from_dtype, int64_t n) {
  if (from_dtype == "F32") return convert_float<float>(to, to_dtype, from, n);
  if (from_dtype == "F16") return convert_float<half>(to, to_dtype, from, n);
  if (from_dtype == "BF16") return convert_float<bf16>(to, to_dtype, from, n);
  if (from_dtype == "F64") return convert_float<double>(to, to_dtype, from, n);
  if (from_dtype == "I64") return convert_whole<int64_t>(to, to_dtype, from, n);
  if (from_dtype == "I32") return convert_whole<int32_t>(to, to_dtype, from, n);
  if (from_dtype == "I16") return convert_whole<int16_t>(to, to_dtype, from, n);
  if (from_dtype == "I8") return convert_whole<int8_t>(to, to_dtype, from, n);
  if (from_dtype == "U8" || from_dtype == "BOOL") return convert_whole<uint8_t>(to, to_dtype, from, n);
  return false;
}

}  // namespace lowland
