#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "tests/ops/harness.h"

int main(int argc, char** argv) {
  if (lowland::test::test_device() == "cuda") {
    const std::string why = lowland::why_unusable({lowland::DeviceType::cuda, 0});
    if (!why.empty()) {
      std::printf("skipped: %s\n", why.c_str());
      return 0;
    }
  }
  return doctest::Context(argc, argv).run();
}
