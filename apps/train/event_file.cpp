#include "apps/train/event_file.h"

#include <array>
#include <chrono>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/error.h"

namespace lowland::apps {
namespace {

constexpr const char* kFolder = "tensorboard";

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// The lowest byte first, whatever the machine's order.
template <class T> void put_bytes(std::string& out, T value) {
  for (size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
}

// --- protocol buffers: a key (field * 8 + type), then a varint (0), 8 bytes (1), length and bytes (2) or 4 bytes (5)
void put_varint(std::string& out, uint64_t value) {
  for (; value >= 128; value >>= 7) out += static_cast<char>(static_cast<unsigned char>(value | 128));
  out += static_cast<char>(static_cast<unsigned char>(value));
}

void put_double(std::string& out, uint64_t field, double value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  put_varint(out, field * 8 + 1);
  put_bytes(out, bits);
}

void put_float(std::string& out, uint64_t field, float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  put_varint(out, field * 8 + 5);
  put_bytes(out, bits);
}

void put_text(std::string& out, uint64_t field, std::string_view bytes) {
  put_varint(out, field * 8 + 2);
  put_varint(out, bytes.size());
  out += bytes;
}

// Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
std::string event(double seconds) {
  std::string out;
  put_double(out, 1, seconds);
  return out;
}

uint32_t masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

// TFRecord: length, its checksum, the data, their checksum.
std::string record(const std::string& data) {
  std::string out;
  put_bytes(out, uint64_t{data.size()});
  put_bytes(out, masked(crc32c(out)));
  out += data;
  put_bytes(out, masked(crc32c(data)));
  return out;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1) != 0 ? 0x82f63b78u : 0u);
      t[i] = c;
    }
    return t;
  }();
  uint32_t crc = ~0u;
  for (const char b : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(b)) & 255];
  return ~crc;
}

Scalars scalars_of(const nlohmann::json& line) {
  Scalars out;
  for (const auto& [name, value] : line.items()) {
    if (value.is_number() && name != "step") out.emplace_back(name, value.get<double>());
    if (name != "adapters") continue;
    for (const nlohmann::json& adapter : value)
      for (const auto& [what, number] : adapter.items())
        if (number.is_number())
          out.emplace_back(what + "/" + adapter.at("module").get<std::string>(), number.get<double>());
  }
  return out;
}

std::string version_record(double seconds) {
  std::string out = event(seconds);
  put_text(out, 3, "brain.Event:2");
  return record(out);
}

std::string scalars_record(double seconds, int64_t step, const Scalars& scalars) {
  std::string summary;  // Summary { repeated Value value = 1; }  Value { string tag = 1; float simple_value = 2; }
  for (const auto& [tag, number] : scalars) {
    std::string value;
    put_text(value, 1, tag);
    put_float(value, 2, static_cast<float>(number));
    put_text(summary, 1, value);
  }
  std::string out = event(seconds);
  put_varint(out, 2 * 8);
  put_varint(out, static_cast<uint64_t>(step));
  put_text(out, 5, summary);
  return record(out);
}

EventFile::EventFile(const std::filesystem::path& folder, const std::vector<nlohmann::json>& lines) {
  const double now = seconds_now();
  std::filesystem::remove_all(folder / kFolder);
  std::filesystem::create_directories(folder / kFolder);
  file_ = folder / kFolder / fmt::format("events.out.tfevents.{:010}.lowland", static_cast<int64_t>(now));
  std::string all = version_record(now);
  for (const nlohmann::json& line : lines) all += scalars_record(now, line.value("step", int64_t{0}), scalars_of(line));
  append(all);
}

void EventFile::add(const nlohmann::json& line) {
  append(scalars_record(seconds_now(), line.value("step", int64_t{0}), scalars_of(line)));
}

void EventFile::append(const std::string& bytes) const {
  std::ofstream out(file_, std::ios::app | std::ios::binary);
  out << bytes << std::flush;
  LL_CHECK(out.good(), "cannot write {} (is the disk full?)", file_.string());
}

}  // namespace lowland::apps
