#include "apps/common/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "engine/error.h"
#include "models/tokenizers/printable.h"

namespace lowland::apps {
namespace {

int terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

double seconds_since(std::chrono::steady_clock::time_point t) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - t).count();
}

}  // namespace

Progress::Progress(std::string what, int64_t total, int64_t done)
    : what_(std::move(what)),
      total_(total),
      first_(done),
      done_(done),
      terminal_(isatty(STDERR_FILENO) != 0),
      start_(std::chrono::steady_clock::now()),
      last_(start_) {}

Progress::~Progress() { finish(); }

void Progress::update(int64_t done, const std::string& details) {
  done_ = done;
  details_ = details;
  if (!terminal_ || (seconds_since(last_) < 0.1 && done < total_)) return;
  last_ = std::chrono::steady_clock::now();
  draw();
}

void Progress::draw() {
  const double share = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 1.0;
  const double elapsed = seconds_since(start_);
  const int64_t fresh = done_ - first_;
  const std::string left =
      fresh > 0 ? duration_text(elapsed * static_cast<double>(total_ - done_) / static_cast<double>(fresh)) : "?";
  std::string text = fmt::format("{} {}/{}  {}  {} left", what_, done_, total_, details_, left);
  // The bar gives way to the text.
  const int cells = std::clamp(terminal_width() - static_cast<int>(text.size()) - 2, 4, 20);
  const int full = static_cast<int>(share * cells + 0.5);
  std::string bar;
  for (int i = 0; i < cells; ++i) bar += i < full ? "█" : "░";
  const auto room = static_cast<size_t>(std::max(10, terminal_width() - cells - 2));
  if (text.size() > room) text.resize(room);
  std::fprintf(stderr, "\r%s %s\033[K", bar.c_str(), text.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::line(const std::string& text) {
  if (drawn_) std::fprintf(stderr, "\r\033[K");
  say(text);
  if (drawn_) draw();
}

void Progress::finish() {
  if (drawn_) std::fprintf(stderr, "\r\033[K");
  drawn_ = false;
}

void say(const std::string& text) {
  std::fprintf(stderr, "%s\n", printable_lines(text).c_str());
  std::fflush(stderr);
}

void say(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) say(line);
}

std::string bytes_text(size_t bytes) {
  const auto b = static_cast<double>(bytes);
  if (b >= 1e9) return fmt::format("{:.2f} GB", b / 1e9);
  return fmt::format("{:.1f} MB", b / 1e6);
}

std::string duration_text(double seconds) {
  const auto s = static_cast<int64_t>(seconds + 0.5);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

std::string thousands(int64_t n) {
  std::string digits = std::to_string(n < 0 ? -n : n);
  for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(static_cast<size_t>(i), 1, ',');
  if (n < 0) digits.insert(digits.begin(), '-');
  return digits;
}

}  // namespace lowland::apps
