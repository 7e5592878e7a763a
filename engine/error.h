// fail and LL_CHECK with fmt: LL_CHECK(rank > 0, "rank must be at least 1, got {}", rank).
#pragma once
#include <fmt/format.h>

#include "kernels/common/error.h"

namespace lowland {

template <class... Args> [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  fail(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace lowland

#define LL_CHECK(condition, ...)                    \
  do {                                              \
    if (!(condition)) ::lowland::fail(__VA_ARGS__); \
  } while (false)
