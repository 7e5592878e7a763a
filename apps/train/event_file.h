// The lines of metrics.jsonl for TensorBoard, RUN/tensorboard: records of TFRecord, each an Event of TensorFlow's
// event.proto with simple values of summary.proto (field numbers in event_file.cpp).
#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lowland::apps {

// CRC-32C (Castagnoli) of the bytes.
uint32_t crc32c(std::string_view bytes);

using Scalars = std::vector<std::pair<std::string, double>>;
// Of a line of metrics.jsonl: its numbers but the step; of a list of adapters those of each, NAME/MODULE.
Scalars scalars_of(const nlohmann::json& line);

// A record with an event in it. seconds: since 1970.
std::string version_record(double seconds);  // the first of a file
std::string scalars_record(double seconds, int64_t step, const Scalars& scalars);

class EventFile {
 public:
  // folder: of the run. Files of an earlier process are replaced, by one that begins with these lines.
  EventFile(const std::filesystem::path& folder, const std::vector<nlohmann::json>& lines);
  void add(const nlohmann::json& line);  // Error where it cannot be written

 private:
  void append(const std::string& record) const;
  std::filesystem::path file_;
};

}  // namespace lowland::apps
