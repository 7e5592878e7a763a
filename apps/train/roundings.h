// How the common types of quantised weights round a row, by name: what is read back is what these leave.
//   q8_0   ggml: blocks of 32, d = f16(max |x| / 127), w = d round(x 127 / max |x|)
//   q4_0   ggml: blocks of 32, d = f16(m / -8), m the value of largest size; w = d (min(15, floor(-8 x / m + 8.5)) - 8)
//   nf4    bitsandbytes: blocks of 64, the nearest of sixteen values of a normal distribution times max |x|
#pragma once
#include <string>
#include <vector>

#include "optim/rounded_weights.h"

namespace lowland::apps {

const std::vector<std::string>& rounding_names();
// Error for a name that is none of them.
optim::RoundedWeights::Round rounding_of(const std::string& name);

}  // namespace lowland::apps
