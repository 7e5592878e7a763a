// What cannot be part of a captured step, in the sentence that every accelerator says.
#pragma once
#include <cstdint>

namespace lowland {

enum class Uncaptured : uint8_t { allocation, upload, download, wait };
[[noreturn]] void fail_uncaptured(Uncaptured what);

}  // namespace lowland
