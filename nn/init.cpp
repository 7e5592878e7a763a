#include "nn/init.h"

#include <cmath>

namespace lowland::nn {
namespace {

constexpr uint64_t kInitStream = 0x696e6974;  // "init": no training step reaches this number

// Two uniform numbers in (0, 1) from block i of the stream.
std::pair<double, double> uniforms(PhiloxKey key, int64_t i) {
  const PhiloxBlock b = philox(key, static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32), 0, 0);
  const auto unit = [](uint32_t high, uint32_t low) {
    const uint64_t bits = (uint64_t{high} << 21) ^ (low >> 11);  // 53 bits
    return (static_cast<double>(bits) + 0.5) * 0x1.0p-53;
  };
  return {unit(b.v[0], b.v[1]), unit(b.v[2], b.v[3])};
}

// values(i) for every element, in host memory, converted once.
template <class F> void fill(const Tensor& t, const F& value) {
  std::vector<double> values(t.numel());
  for (size_t i = 0; i < values.size(); ++i) values[i] = value(i);
  t.assign(values);
}

}  // namespace

PhiloxKey init_key(uint64_t seed, const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325ull;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return philox_key(seed, kInitStream, hash);
}

void init_constant(const Tensor& t, double value) {
  fill(t, [&](int64_t) { return value; });
}

void init_normal(const Tensor& t, double std, PhiloxKey key) {
  fill(t, [&](int64_t i) {
    const auto [u, v] = uniforms(key, i / 2);
    const double radius = std * std::sqrt(-2.0 * std::log(u)), angle = 2.0 * M_PI * v;
    return radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
  });
}

void init_uniform(const Tensor& t, double bound, PhiloxKey key) {
  fill(t, [&](int64_t i) {
    const auto [u, v] = uniforms(key, i / 2);
    return bound * (2.0 * (i % 2 == 0 ? u : v) - 1.0);
  });
}

}  // namespace lowland::nn
