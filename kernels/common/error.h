// The one exception type of Lowland. Everything a user can do wrong ends in an Error whose what() is one sentence.
#pragma once
#include <stdexcept>
#include <string>

namespace lowland {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

[[noreturn]] void fail(const std::string& message);
// A library call of kernels/cpu that returned `status`. Plain types: those files must not build strings.
[[noreturn]] void fail_status(const char* call, int status);

}  // namespace lowland
