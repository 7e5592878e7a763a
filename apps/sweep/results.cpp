#include "apps/sweep/results.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/error.h"
#include "engine/io/atomic_file.h"

namespace lowland::apps {

using nlohmann::ordered_json;

Results::Results(std::filesystem::path file) : file_(std::move(file)) {
  if (!std::filesystem::exists(file_)) return;
  std::string text = read_file(file_.string());
  const size_t whole = text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1;
  const bool cut = whole < text.size();
  text.resize(whole);
  int64_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    ordered_json line = ordered_json::parse(text.substr(at, end - at), nullptr, false);
    ++number;
    LL_CHECK(line.is_object() && line.contains("run") && line.at("run").is_string(), "{}:{}: not a result of a run",
             file_.string(), number);
    put(std::move(line));
    at = end + 1;
  }
  if (cut) write_file_atomically(file_.string(), text);  // the next line begins a line
}

void Results::put(ordered_json line) {
  const auto [at, is_new] = index_.emplace(line.at("run").get<std::string>(), lines_.size());
  if (is_new) {
    lines_.push_back(std::move(line));
  } else {
    lines_[at->second] = std::move(line);
  }
}

const ordered_json* Results::find(const std::string& run) const {
  const auto at = index_.find(run);
  return at == index_.end() ? nullptr : &lines_[at->second];
}

void Results::add(const ordered_json& line) {
  const std::string text = line.dump() + '\n';
  const int fd = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == std::ssize(text) && ::fdatasync(fd) == 0;
  const std::string why = std::strerror(errno);
  if (fd >= 0) ::close(fd);
  LL_CHECK(written, "cannot write {}: {}", file_.string(), why);
  put(line);
}

void Results::sort_as(const std::vector<SweepRun>& runs) {
  std::vector<ordered_json> sorted;
  for (const SweepRun& run : runs)
    if (const ordered_json* line = find(run.name())) sorted.push_back(*line);
  for (const ordered_json& line : lines_) {
    const auto is_line = [&](const SweepRun& run) { return run.name() == line.at("run").get<std::string>(); };
    if (std::none_of(runs.begin(), runs.end(), is_line)) sorted.push_back(line);
  }
  lines_.clear();
  index_.clear();
  std::string text;
  for (ordered_json& line : sorted) {
    text += line.dump() + '\n';
    put(std::move(line));
  }
  write_file_atomically(file_.string(), text);
}

ordered_json head_of(const SweepRun& run) {
  ordered_json o{{"run", run.name()}};
  if (!run.model.empty()) o["model"] = run.model;
  o["task"] = run.task;
  o["method"] = run.method;
  o["setting"] = run.setting;
  o["seed"] = run.seed;
  ordered_json& flags = o["flags"] = ordered_json::object();
  for (const auto& [flag, values] : run.flags)
    flags[flag] = values.size() == 1 ? ordered_json(values.front()) : ordered_json(values);
  return o;
}

std::vector<int64_t> runs_to_do(const Sweep& sweep, const Results& results, const std::string& folder) {
  std::vector<int64_t> open;
  for (int64_t i = 0; i < std::ssize(sweep.runs); ++i) {
    const ordered_json* line = results.find(sweep.runs[i].name());
    if (line == nullptr || line->contains("error")) {
      open.push_back(i);
      continue;
    }
    const ordered_json flags = head_of(sweep.runs[i]).at("flags");
    LL_CHECK(line->value("flags", ordered_json()) == flags,
             "{} has a result of {} with other flags, {}: give another --out, or take the line away", folder,
             sweep.runs[i].name(), line->value("flags", ordered_json()).dump());
  }
  return open;
}

}  // namespace lowland::apps
