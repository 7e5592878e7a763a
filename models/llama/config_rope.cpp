// The rotary embedding as a config.json states it.
#include "models/llama/config_rope.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "models/hub/config_keys.h"

namespace lowland {
namespace {

// By kinds of layers (full_attention: {...}), which only Gemma 3 has.
void refuse_nested(const JsonKeys& rope) {
  for (const auto& [key, value] : rope.root().items())
    if (value.is_object()) rope.refuse(key.c_str(), "is an object: a rope for each kind of layer is not supported");
}

std::vector<double> read_factors(const JsonKeys& rope, const char* key, int64_t count) {
  std::vector<double> out;
  if (rope.has(key) && rope.at(key).is_array())
    for (const auto& value : rope.at(key)) out.push_back(value.is_number() ? value.get<double>() : 0);
  const bool fits = std::ssize(out) == count && *std::min_element(out.begin(), out.end()) > 0;
  if (!fits) rope.refuse(key, fmt::format("must be {} numbers above 0, half of head_dim", count));
  return out;
}

void read_yarn(const JsonKeys& rope, RopeScaling& s) {
  s.beta_fast = rope.number("beta_fast", 0);
  s.beta_slow = rope.number("beta_slow", 0);
  if (s.beta_fast == 0) s.beta_fast = 32;
  if (s.beta_slow == 0) s.beta_slow = 1;
  s.truncate = rope.flag("truncate", true);
  const double mscale = rope.number("mscale", 0), all = rope.number("mscale_all_dim", 0);
  const auto of = [&](double m) { return s.factor <= 1 ? 1 : 0.1 * m * std::log(s.factor) + 1; };
  s.attention_factor = rope.number("attention_factor", mscale != 0 && all != 0 ? of(mscale) / of(all) : of(1));
}

// HD: the columns that are rotated.
void read_longrope(const JsonKeys& rope, int64_t HD, RopeScaling& s) {
  s.short_factor = read_factors(rope, "short_factor", HD / 2);
  s.long_factor = read_factors(rope, "long_factor", HD / 2);
  const double original = static_cast<double>(s.original_max_position_embeddings);
  const double plain = s.factor <= 1 ? 1 : std::sqrt(1 + std::log(s.factor) / std::log(original));
  s.attention_factor = rope.number("attention_factor", plain);
}

void read_llama3(const JsonKeys& rope, RopeScaling& s) {
  s.low_freq_factor = rope.number("low_freq_factor", s.low_freq_factor);
  s.high_freq_factor = rope.number("high_freq_factor", s.high_freq_factor);
  if (!(s.low_freq_factor > 0 && s.high_freq_factor > s.low_freq_factor))
    rope.refuse("high_freq_factor", fmt::format("is {}, low_freq_factor is {}: they must rise from above 0",
                                                s.high_freq_factor, s.low_freq_factor));
}

// How much of each head is rotated: said in the object or beside it.
void read_part(const JsonKeys& keys, LlamaConfig& c) {
  if (c.model_type != "phi3") return refuse_unsupported_keys(keys);
  refuse_unsupported_keys(keys, {"partial_rotary_factor"});
  c.partial_rotary_factor = keys.number("partial_rotary_factor", c.partial_rotary_factor);
  const bool fits = c.partial_rotary_factor > 0 && c.partial_rotary_factor <= 1;
  if (!fits || c.rotary_dim() < 2 || c.rotary_dim() % 2 != 0)
    keys.refuse("partial_rotary_factor", fmt::format("is {}, which is no even number of a head's {} columns",
                                                     c.partial_rotary_factor, c.head_dim));
}

// `rope`: the object that holds the settings. `keys`: the file around it, whose original_max_position_embeddings wins.
void read_scaling(const JsonKeys& keys, const JsonKeys& rope, LlamaConfig& c) {
  RopeScaling& s = c.rope_scaling;
  const bool phi3 = c.model_type == "phi3";
  refuse_nested(rope);
  read_part(rope, c);
  s.type = rope.text("rope_type", rope.text("type", s.type));
  if (phi3 && (s.type == "su" || s.type == "yarn")) s.type = "longrope";  // as its first files call it
  const bool long_ago = s.type == "llama3" || s.type == "yarn" || s.type == "longrope";
  if (s.type != "default" && s.type != "linear" && s.type != "dynamic" && !long_ago)
    rope.refuse("rope_type",
                fmt::format("is {}; default, linear, dynamic, llama3, yarn and longrope are supported", s.type));
  if (s.type == "default") return;
  int64_t inside = rope.whole("original_max_position_embeddings", c.max_position_embeddings);
  if (phi3) inside = 4096;  // transformers' Phi3Config has this beside the object, where it wins
  s.original_max_position_embeddings = keys.whole("original_max_position_embeddings", inside);
  if (long_ago && s.original_max_position_embeddings < 2)
    rope.refuse("original_max_position_embeddings", fmt::format("is {}", s.original_max_position_embeddings));
  const double ratio =
      static_cast<double>(c.max_position_embeddings) / static_cast<double>(s.original_max_position_embeddings);
  const bool may_miss = s.type == "yarn" || s.type == "longrope";
  if (!may_miss && !rope.has("factor")) rope.refuse("factor", fmt::format("is missing, which {} needs", s.type));
  s.factor = rope.number("factor", ratio);
  if (!(s.factor > 0)) rope.refuse("factor", fmt::format("is {}, not above 0", s.factor));
  if (s.type == "llama3") read_llama3(rope, s);
  if (s.type == "yarn") read_yarn(rope, s);
  if (s.type == "longrope") read_longrope(rope, c.rotary_dim(), s);
  if (!(s.attention_factor > 0)) rope.refuse("attention_factor", fmt::format("is {}, not above 0", s.attention_factor));
}

// rope_scaling of version 4 (null, or an object whose type is `rope_type` or, in old files, `type`) or
// rope_parameters of version 5. Where both are there, transformers reads the first and nothing of the second.
// rope_theta stands in the object or beside it.
void read_plain_rope(const JsonKeys& keys, LlamaConfig& c) {
  const double theta = c.rope_theta;
  c.rope_theta = keys.number("rope_theta", c.rope_theta);
  const auto on = [&](const char* key) { return keys.has(key) && !is_off(keys.at(key)); };
  const bool scaling = on("rope_scaling"), parameters = on("rope_parameters");
  const char* key = scaling ? "rope_scaling" : "rope_parameters";
  if (scaling || parameters) {
    if (!keys.at(key).is_object()) keys.refuse(key, "is not an object");
    const JsonKeys rope(keys.at(key).dump(), fmt::format("{}: {}", keys.file(), key));
    read_scaling(keys, rope, c);
    c.rope_theta = rope.number("rope_theta", c.rope_theta);
  }
  if (!(c.rope_theta > 1)) keys.refuse("rope_theta", fmt::format("is {}, not above 1", c.rope_theta));
  if (!scaling || !parameters) return;
  LlamaConfig other = c;  // as if there were no rope_scaling
  other.rope_scaling = {};
  other.rope_theta = keys.number("rope_theta", theta);
  const JsonKeys rope(keys.at("rope_parameters").dump(), keys.file() + ": rope_parameters");
  read_scaling(keys, rope, other);
  other.rope_theta = rope.number("rope_theta", other.rope_theta);
  const int64_t far = std::max(c.max_position_embeddings, other.max_position_embeddings) + 1;
  if (rope_frequencies(c, far) != rope_frequencies(other, far))
    c.notes.push_back(keys.file() +
                      ": rope_scaling and rope_parameters differ: the first is used, as transformers does");
}

// Gemma 3: a scaled rope of all layers but those that have the window, and a plain one of those. Version 4 says so by
// rope_scaling and rope_local_base_freq, version 5 by an object for each in rope_parameters.
void read_layered_rope(const JsonKeys& keys, LlamaConfig& c) {
  c.rope_theta = keys.number("rope_theta", c.rope_theta);
  c.rope_local_base_freq = keys.number("rope_local_base_freq", 10000);
  const auto object = [&](const JsonKeys& in, const char* key) -> std::optional<JsonKeys> {
    if (!in.has(key) || is_off(in.at(key))) return {};
    if (!in.at(key).is_object()) in.refuse(key, "is not an object");
    return JsonKeys(in.at(key).dump(), fmt::format("{}: {}", in.file(), key));
  };
  if (const auto parameters = object(keys, "rope_parameters")) {
    if (const auto sliding = object(*parameters, "sliding_attention")) {
      if (const std::string type = sliding->text("rope_type", "default"); type != "default")
        sliding->refuse("rope_type", fmt::format("is {}; only default is supported there", type));
      c.rope_local_base_freq = sliding->number("rope_theta", c.rope_local_base_freq);
    }
    if (const auto full = object(*parameters, "full_attention")) {
      read_scaling(keys, *full, c);
      c.rope_theta = full->number("rope_theta", c.rope_theta);
    }
  }
  if (const auto scaling = object(keys, "rope_scaling")) {
    c.rope_scaling = {};
    read_scaling(keys, *scaling, c);
    c.rope_theta = scaling->number("rope_theta", c.rope_theta);
  }
  if (!(c.rope_theta > 1)) keys.refuse("rope_theta", fmt::format("is {}, not above 1", c.rope_theta));
  if (!(c.rope_local_base_freq > 1))
    keys.refuse("rope_local_base_freq", fmt::format("is {}, not above 1", c.rope_local_base_freq));
}

}  // namespace

void read_rope(const JsonKeys& keys, LlamaConfig& c) {
  keys.know({"original_max_position_embeddings"});
  if (c.model_type == "gemma3_text") return read_layered_rope(keys, c);
  if (c.model_type == "phi3") read_part(keys, c);
  read_plain_rope(keys, c);
}

}  // namespace lowland
