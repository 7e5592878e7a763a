#include "kernels/common/error.h"

namespace lowland {

void fail(const std::string& message) { throw Error(message); }

}  // namespace lowland
