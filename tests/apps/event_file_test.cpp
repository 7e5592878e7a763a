// The event file of TensorBoard, read back by its formats' descriptions; tests/peers/check_tensorboard.py reads one by
// tensorboard itself.
#include "apps/train/event_file.h"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/apps/program.h"

using namespace lowland::apps;
using namespace lowland::test;
namespace fs = std::filesystem;

namespace {

uint64_t number(const std::string& bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value |= uint64_t{static_cast<unsigned char>(bytes.at(at + i))} << (8 * i);
  return value;
}

void check_sum(const std::string& data, uint64_t stored) {
  const uint32_t crc = crc32c(data);
  CHECK(stored == static_cast<uint32_t>(((crc >> 15) | (crc << 17)) + 0xa282ead8u));
}

std::vector<std::string> records(const std::string& file) {
  std::vector<std::string> out;
  for (size_t at = 0; at < file.size();) {
    const uint64_t length = number(file, at, 8);
    check_sum(file.substr(at, 8), number(file, at + 8, 4));
    out.push_back(file.substr(at + 12, length));
    check_sum(out.back(), number(file, at + 12 + length, 4));
    at += 16 + length;
  }
  return out;
}

// The fields of a message: numbers as they are, texts and messages as bytes.
struct Message {
  std::map<uint64_t, uint64_t> numbers;
  std::multimap<uint64_t, std::string> bytes;
  explicit Message(const std::string& text) {
    size_t at = 0;
    const auto varint = [&] {
      uint64_t value = 0;
      for (int shift = 0;; shift += 7) {
        const auto b = static_cast<unsigned char>(text.at(at++));
        value |= uint64_t{b & 127u} << shift;
        if (b < 128) return value;
      }
    };
    while (at < text.size()) {
      const uint64_t key = varint(), field = key / 8;
      if (key % 8 == 0) {
        numbers[field] = varint();
      } else if (key % 8 == 2) {
        const uint64_t length = varint();
        bytes.emplace(field, text.substr(at, length));
        at += length;
      } else {
        const size_t size = key % 8 == 1 ? 8 : 4;
        numbers[field] = number(text, at, size);
        at += size;
      }
    }
  }
};

std::map<std::string, float> values_of(const std::string& record) {
  std::map<std::string, float> out;
  const Message event(record);
  const auto [summary, last] = event.bytes.equal_range(5);
  if (summary == last) return out;
  for (const auto& [field, bytes] : Message(summary->second).bytes) {
    const Message value(bytes);
    const auto bits = static_cast<uint32_t>(value.numbers.at(2));
    std::memcpy(&out[value.bytes.find(1)->second], &bits, 4);
  }
  return out;
}

std::string event_file(const std::string& run) {
  std::string found;
  for (const auto& entry : fs::directory_iterator(run + "/tensorboard")) {
    CHECK(found.empty());
    found = entry.path().string();
  }
  REQUIRE(found.find("tfevents") != std::string::npos);
  return read_text(found);
}

}  // namespace

TEST_CASE("event files: the checksum is that of RFC 3720's examples") {
  CHECK(crc32c("123456789") == 0xe3069283u);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aau);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43u);
}

TEST_CASE("event files: each logged number with its step, in a file that --resume begins anew") {
  const TestFolder w;
  std::vector<std::string> flags = finetune_flags("eflat-lora", w / "run");
  for (const char* f : {"--tensorboard", "--probe-every", "12", "--probe", "balance"}) flags.emplace_back(f);
  run_until((w / "run") + "/checkpoint-12", flags, run_program);
  must(run_program({"finetune", "--resume", "--out", w / "run"}));
  const std::vector<std::string> all = records(event_file(w / "run"));
  const std::vector<nlohmann::json> metrics = read_metrics(w / "run");
  REQUIRE(all.size() == metrics.size() + 1);
  CHECK(Message(all[0]).bytes.find(3)->second == "brain.Event:2");
  bool balanced = false;
  for (size_t i = 0; i < metrics.size(); ++i) {
    CHECK(Message(all[i + 1]).numbers.at(2) == metrics[i].at("step").get<uint64_t>());
    const auto values = values_of(all[i + 1]);
    for (const auto& [name, value] : metrics[i].items())
      if (value.is_number() && name != "step") CHECK(values.at(name) == value.get<float>());
    if (metrics[i].contains("adapters")) {
      balanced = true;
      const auto& first = metrics[i].at("adapters").at(0);
      CHECK(values.at("balancedness/" + first.at("module").get<std::string>()) ==
            first.at("balancedness").get<float>());
    }
  }
  CHECK(balanced);
}
