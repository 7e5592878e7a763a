// Names out of damaged or foreign files, for error messages.
#pragma once
#include <string>
#include <string_view>

namespace lowland {

// At most 120 bytes of it, what is not printable ASCII as \xNN.
inline std::string printable(std::string_view text) {
  constexpr size_t kLongest = 120;
  constexpr const char* kDigits = "0123456789abcdef";
  std::string shown;
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 32 && byte < 127) {
      shown += c;
    } else {
      shown += {'\\', 'x', kDigits[byte / 16], kDigits[byte % 16]};
    }
  }
  return text.size() > kLongest ? shown + "..." : shown;
}

}  // namespace lowland
