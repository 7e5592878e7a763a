// What follows from a LlamaConfig for attention: lengths, windows, the frequencies of the rotary embedding.
#include <algorithm>
#include <cmath>
#include <limits>

#include "models/llama/config.h"

namespace lowland {
namespace {

double llama3_frequency(const RopeScaling& s, double plain) {
  const auto original = static_cast<double>(s.original_max_position_embeddings);
  const double length = 2 * M_PI / plain;
  const double t = (original / length - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  if (length > original / s.low_freq_factor) return plain / s.factor;
  return length >= original / s.high_freq_factor ? (1 - t) * plain / s.factor + t * plain : plain;
}

double yarn_frequency(const LlamaConfig& c, int64_t i, double plain) {
  const RopeScaling& s = c.rope_scaling;
  const auto width = static_cast<double>(c.rotary_dim());
  const auto turning = [&](double times) {  // the i whose wave turns so often within the original positions
    const double length = static_cast<double>(s.original_max_position_embeddings) / (times * 2 * M_PI);
    return width * std::log(length) / (2 * std::log(c.rope_theta));
  };
  double low = turning(s.beta_fast), high = turning(s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, width - 1);
  if (low == high) high += 0.001;
  const double slow = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
  return plain / s.factor * slow + plain * (1 - slow);
}

double theta_for(const LlamaConfig& c, int64_t length) {
  if (c.rope_scaling.type != "dynamic" || c.rotary_dim() <= 2) return c.rope_theta;
  const auto most = static_cast<double>(c.max_position_embeddings), width = static_cast<double>(c.rotary_dim());
  const double factor = c.rope_scaling.factor, n = std::max(static_cast<double>(length), most);
  return c.rope_theta * std::pow(factor * n / most - (factor - 1), width / (width - 2));
}

}  // namespace

// Up to where the scaling of the rope is meant to carry, where max_position_embeddings is where it begins.
int64_t LlamaConfig::max_tokens() const {
  const RopeScaling& s = rope_scaling;
  const int64_t from = s.type == "dynamic" ? max_position_embeddings : s.original_max_position_embeddings;
  if (s.type != "dynamic" && s.type != "yarn") return max_position_embeddings;
  constexpr double kMost = 1 << 30;
  const double scaled = std::min(static_cast<double>(from) * s.factor, kMost);
  return std::max(max_position_embeddings, static_cast<int64_t>(scaled));
}

int64_t LlamaConfig::window_of(int64_t layer) const { return slides.empty() || slides[layer] ? sliding_window : 0; }

int64_t LlamaConfig::rotary_dim() const {
  return static_cast<int64_t>(static_cast<double>(head_dim) * partial_rotary_factor);
}

bool LlamaConfig::local(int64_t layer) const { return rope_local_base_freq > 0 && (slides.empty() || slides[layer]); }

int64_t LlamaConfig::rope_limit() const {
  if (rope_scaling.type == "dynamic") return max_position_embeddings;
  if (rope_scaling.type == "longrope") return rope_scaling.original_max_position_embeddings;
  return std::numeric_limits<int64_t>::max();
}

std::vector<float> rope_frequencies(const LlamaConfig& config, int64_t length) {
  const RopeScaling& s = config.rope_scaling;
  const double theta = theta_for(config, length);
  const std::vector<double>& factors = length > config.rope_limit() ? s.long_factor : s.short_factor;
  std::vector<float> frequencies;
  const int64_t HD = config.rotary_dim();
  for (int64_t i = 0; i < HD / 2; ++i) {
    const double plain = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(HD));
    double f = plain;
    if (s.type == "linear") f = plain / s.factor;
    if (s.type == "llama3") f = llama3_frequency(s, plain);
    if (s.type == "yarn") f = yarn_frequency(config, i, plain);
    if (s.type == "longrope") f = plain / factors[i];
    frequencies.push_back(static_cast<float>(f));
  }
  return frequencies;
}

std::vector<float> local_rope_frequencies(const LlamaConfig& config) {
  LlamaConfig local = config;
  local.rope_theta = config.rope_local_base_freq;
  local.rope_scaling = {};
  return rope_frequencies(local);
}

}  // namespace lowland
