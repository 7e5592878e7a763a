// How large the whole numbers of configurations may be: 700 bytes of JSON shall not ask for a billion layers, and no
// product of sizes shall leave 64 bits.
#pragma once
#include <cstdint>
#include <string_view>

namespace lowland {

// The most that a key's magnitude may be; of most keys 2^31 - 1.
int64_t config_limit(std::string_view key);

}  // namespace lowland
