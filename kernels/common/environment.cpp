#include "kernels/common/environment.h"

#include <cstdlib>

namespace lowland::environment {

std::string Variable::value() const {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void Variable::set(const std::string& value) const { ::setenv(name, value.c_str(), 1); }

}  // namespace lowland::environment
