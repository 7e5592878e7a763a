#include "apps/settings/limits.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "engine/error.h"

namespace lowland::apps {
namespace {

struct Row {
  const char* flag;
  Limits limits;
};

// What is not here may be 0 to 10^9.
constexpr Row kRows[] = {
    {"rank", {1, 65'536}},
    {"batch-size", {1}},
    {"batch", {1}},
    {"num-beams", {1, 1024}},
    {"grad-accum", {1}},
    {"epochs", {1}},
    {"logging-steps", {1}},
    {"max-length", {1}},
    {"threads", {0, 4096}},
    {"nproc", {0, 1024}},
    {"world-size", {1, 1'000'000}},
    {"vocab-size", {0, 1 << 24}},
    {"landscape-points", {3, 10'001}},
    {"probe-examples", {1}},
    {"shift", {0, 65'536}},
    {"length", {1}},
    {"seed", {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}},
};

[[noreturn]] void refuse(const std::string& flag, const Limits& limits, bool low, const std::string& text) {
  fail("--{} must be at {} {}, got {}", flag, low ? "least" : "most", low ? limits.least : limits.most, text);
}

}  // namespace

Limits limits_of(const std::string& flag) {
  for (const Row& row : kRows)
    if (flag == row.flag) return row.limits;
  return {};
}

void check_limits(const std::string& flag, int64_t value) {
  const Limits limits = limits_of(flag);
  if (value < limits.least || value > limits.most) refuse(flag, limits, value < limits.least, std::to_string(value));
}

int64_t parse_count(const std::string& flag, const std::string& text) {
  const char* const begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* const end = text.data() + text.size();
  int64_t value = 0;
  const auto [stopped, error] = std::from_chars(begin, end, value);
  const bool digits = begin != end && stopped == end && (begin == text.data() || *begin != '-');
  LL_CHECK(digits && error != std::errc::invalid_argument, "--{} takes a number, not `{}`", flag, text);
  if (error == std::errc::result_out_of_range) refuse(flag, limits_of(flag), text.starts_with('-'), text);
  check_limits(flag, value);
  return value;
}

}  // namespace lowland::apps
