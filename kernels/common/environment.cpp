#include "kernels/common/environment.h"

#include <cstdlib>

namespace lowland::environment {

std::string Variable::value() const {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace lowland::environment
