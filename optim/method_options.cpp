#include "optim/method_options.h"

#include <algorithm>
#include <cstdio>

#include "engine/error.h"

namespace lowland::optim {
namespace {

// Does x lie in an interval written as "(0, 1]"?
bool lies_in(double x, const std::string& range) {
  char open = 0, close = 0;
  double low = 0, high = 0;
  LL_CHECK(std::sscanf(range.c_str(), " %c%lf ,%lf%c", &open, &low, &high, &close) == 4, "'{}' is no interval", range);
  return (open == '[' ? x >= low : x > low) && (close == ']' ? x <= high : x < high);
}

}  // namespace

void MethodOption::check(const OptionValue& value) const {
  const double* const number = std::get_if<double>(&value);
  const std::string* const word = std::get_if<std::string>(&value);
  if (words.empty()) {
    LL_CHECK(number != nullptr, "{} takes a number, not '{}'", name, *word);
    LL_CHECK(lies_in(*number, range), "{} must lie in {}, got {}", name, range, *number);
  } else {
    LL_CHECK(word != nullptr, "{} takes one of {}, not a number", name, fmt::join(words, ", "));
    LL_CHECK(std::find(words.begin(), words.end(), *word) != words.end(), "unknown {} '{}': one of {}", name, *word,
             fmt::join(words, ", "));
  }
}

}  // namespace lowland::optim
