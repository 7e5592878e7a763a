#include "kernels/common/error.h"

namespace lowland {

void fail(const std::string& message) { throw Error(message); }

void fail_status(const char* call, int status) {
  fail(std::string(call) + " failed with status " + std::to_string(status));
}

}  // namespace lowland
