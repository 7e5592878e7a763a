#include "apps/train/metrics_file.h"

#include <algorithm>
#include <sstream>

#include "apps/common/progress.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"

namespace lowland::apps {

MetricLines read_metric_lines(const std::filesystem::path& file) {
  MetricLines out;
  if (!std::filesystem::exists(file)) return out;
  std::istringstream in(read_file(file.string()));
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    nlohmann::json object = nlohmann::json::parse(line, nullptr, false);
    if (object.is_object() && object.contains("step") && object["step"].is_number_integer() && !in.eof()) {
      out.lines.push_back(std::move(object));
    } else if (!in.eof()) {
      out.damaged.push_back(number);
    }
  }
  return out;
}

void say_damaged_lines(const MetricLines& metrics, const std::filesystem::path& file) {
  if (metrics.damaged.empty()) return;
  std::vector<int64_t> first(metrics.damaged.begin(),
                             metrics.damaged.begin() + std::min<ptrdiff_t>(5, std::ssize(metrics.damaged)));
  say(fmt::format("{}: {} {} damaged and left out ({}{})", file.string(), metrics.damaged.size(),
                  metrics.damaged.size() == 1 ? "line is" : "lines are", fmt::join(first, ", "),
                  first.size() < metrics.damaged.size() ? ", ..." : ""));
}

}  // namespace lowland::apps
