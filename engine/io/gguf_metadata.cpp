#include "engine/io/gguf_metadata.h"

#include <cstring>
#include <limits>

#include "engine/error.h"
#include "engine/io/printable.h"

namespace lowland {
namespace {

template <class T> double as(const char* bytes) {
  T x;
  std::memcpy(&x, bytes, sizeof x);
  return static_cast<double>(x);
}

// REQUIRES a kind of number.
double number_at(GgufKind kind, const char* bytes) {
  switch (kind) {
    case GgufKind::u8:
    case GgufKind::flag: return as<uint8_t>(bytes);
    case GgufKind::i8: return as<int8_t>(bytes);
    case GgufKind::u16: return as<uint16_t>(bytes);
    case GgufKind::i16: return as<int16_t>(bytes);
    case GgufKind::u32: return as<uint32_t>(bytes);
    case GgufKind::i32: return as<int32_t>(bytes);
    case GgufKind::f32: return as<float>(bytes);
    case GgufKind::u64: return as<uint64_t>(bytes);
    case GgufKind::i64: return as<int64_t>(bytes);
    default: return as<double>(bytes);
  }
}

bool is_number(GgufKind kind) { return kind != GgufKind::text && kind != GgufKind::list && kind != GgufKind::flag; }

bool is_whole(GgufKind kind) { return is_number(kind) && kind != GgufKind::f32 && kind != GgufKind::f64; }

}  // namespace

size_t gguf_kind_bytes(GgufKind kind) {
  switch (kind) {
    case GgufKind::u8:
    case GgufKind::i8:
    case GgufKind::flag: return 1;
    case GgufKind::u16:
    case GgufKind::i16: return 2;
    case GgufKind::u32:
    case GgufKind::i32:
    case GgufKind::f32: return 4;
    case GgufKind::u64:
    case GgufKind::i64:
    case GgufKind::f64: return 8;
    default: return 0;
  }
}

const GgufValue* GgufMetadata::find(const std::string& key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

void GgufMetadata::refuse(const std::string& key, const std::string& why) const {
  fail("{}: {} {}", file_, printable(key), why);
}

int64_t GgufMetadata::whole(const std::string& key, int64_t otherwise) const {
  const GgufValue* v = find(key);
  if (v == nullptr) return otherwise;
  if (v->list || !is_whole(v->kind)) refuse(key, "is not a whole number");
  if (v->kind != GgufKind::u64 && v->kind != GgufKind::i64)
    return static_cast<int64_t>(number_at(v->kind, v->bytes.data()));
  int64_t x;
  std::memcpy(&x, v->bytes.data(), sizeof x);
  if (v->kind == GgufKind::u64 && x < 0) refuse(key, "is larger than any number of its kind can be");
  return x;
}

double GgufMetadata::number(const std::string& key, double otherwise) const {
  const GgufValue* v = find(key);
  if (v == nullptr) return otherwise;
  if (v->list || !is_number(v->kind)) refuse(key, "is not a number");
  return number_at(v->kind, v->bytes.data());
}

bool GgufMetadata::flag(const std::string& key, bool otherwise) const {
  const GgufValue* v = find(key);
  if (v == nullptr) return otherwise;
  if (v->list || v->kind != GgufKind::flag) refuse(key, "is neither true nor false");
  return v->bytes[0] != 0;
}

std::string GgufMetadata::text(const std::string& key, const std::string& otherwise) const {
  const GgufValue* v = find(key);
  if (v == nullptr) return otherwise;
  if (v->list || v->kind != GgufKind::text) refuse(key, "is not a text");
  return std::string(v->bytes);
}

std::vector<std::string> GgufMetadata::texts(const std::string& key) const {
  const GgufValue* v = find(key);
  if (v == nullptr) return {};
  if (!v->list || (v->kind != GgufKind::text && v->count > 0)) refuse(key, "is not a list of texts");
  std::vector<std::string> out;
  out.reserve(v->count);
  const char* at = v->bytes.data();
  for (uint64_t i = 0; i < v->count; ++i) {
    uint64_t length;
    std::memcpy(&length, at, sizeof length);
    out.emplace_back(at + sizeof length, length);
    at += sizeof length + length;
  }
  return out;
}

std::vector<double> GgufMetadata::numbers(const std::string& key) const {
  const GgufValue* v = find(key);
  if (v == nullptr) return {};
  if (!v->list || (v->count > 0 && !is_number(v->kind) && v->kind != GgufKind::flag))
    refuse(key, "is not a list of numbers");
  std::vector<double> out(v->count);
  const size_t step = gguf_kind_bytes(v->kind);
  for (size_t i = 0; i < out.size(); ++i) out[i] = number_at(v->kind, v->bytes.data() + i * step);
  return out;
}

}  // namespace lowland
