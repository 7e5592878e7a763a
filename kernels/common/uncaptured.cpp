#include "kernels/common/uncaptured.h"

#include "kernels/common/error.h"

namespace lowland {

void fail_uncaptured(Uncaptured what) {
  const char* text = what == Uncaptured::allocation ? "memory is allocated"
                     : what == Uncaptured::upload   ? "the host sends numbers"
                     : what == Uncaptured::download ? "the host asks for numbers"
                                                    : "the host waits";
  fail("a step cannot be captured as a graph: " + std::string(text) + " in the middle of it");
}

}  // namespace lowland
