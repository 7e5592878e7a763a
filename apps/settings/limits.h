// How large the whole numbers of flags and of run.json may be: checked at the door, so that no sum or product of them
// leaves 64 bits and nothing absurd is built.
#pragma once
#include <cstdint>
#include <string>

namespace lowland::apps {

struct Limits {
  int64_t least = 0, most = 1'000'000'000;
};

// Of a flag by its first name.
Limits limits_of(const std::string& flag);

// Error: "--rank must be at most 65536, got 4294967296".
void check_limits(const std::string& flag, int64_t value);

// Whole numbers in decimal digits, +8 and 008 as well. Error for anything else, and outside the flag's limits.
int64_t parse_count(const std::string& flag, const std::string& text);

}  // namespace lowland::apps
