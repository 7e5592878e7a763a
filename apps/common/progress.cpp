#include "apps/common/progress.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <utility>

#include "apps/common/terminal.h"
#include "engine/error.h"
#include "models/tokenizers/printable.h"

namespace lowland::apps {
namespace {

constexpr char kClearLine[] = "\r\033[K";

double seconds_since(std::chrono::steady_clock::time_point t) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - t).count();
}

// A terminal has one last line, whoever writes: the bar that stands there.
Progress*& bar_on_screen() {
  static Progress* bar = nullptr;
  return bar;
}

// The name of one of several processes of which another tells the story; empty: this one does.
std::string& hushed() {
  static std::string name;
  return name;
}

// Ctrl-C ends the program without its bar before the shell's prompt.
void clear_and_end(int number) {
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kClearLine, sizeof kClearLine - 1);
  std::signal(number, SIG_DFL);
  std::raise(number);
}

}  // namespace

std::string bar_line(const BarState& state, int columns, bool colours) {
  constexpr size_t kLeastCells = 4, kMostCells = 20;
  const auto room = static_cast<size_t>(std::max(columns - 1, 1));
  const std::string count = fmt::format("{}/{}", state.done, state.total), left = "  " + state.left;
  std::string text = state.what + " " + count;
  if (text.size() + left.size() > room) text = count;
  if (text.size() + left.size() > room) return text.substr(0, room);
  for (size_t at = 0; at < state.details.size();) {
    const size_t end = std::min(state.details.find("  ", at), state.details.size());
    if (end > at) {
      const std::string field = "  " + state.details.substr(at, end - at);
      if (text.size() + field.size() + left.size() > room) break;
      text += field;
    }
    at = end + 2;
  }
  text += left;
  if (text.size() + 1 + kLeastCells > room) return text;
  const size_t cells = std::min(room - text.size() - 1, kMostCells);
  const double share = state.total > 0 ? static_cast<double>(state.done) / static_cast<double>(state.total) : 1.0;
  const auto full = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(cells) + 0.5);
  std::string bar = colours ? "\033[32m" : "";
  for (size_t i = 0; i < cells; ++i) {
    if (colours && i == full) bar += "\033[0m";
    bar += i < full ? "█" : "░";
  }
  if (colours && full == cells) bar += "\033[0m";
  return bar + " " + text;
}

Progress::Progress(std::string what, int64_t total, int64_t done)
    : what_(std::move(what)),
      total_(total),
      first_(done),
      done_(done),
      terminal_(is_terminal(STDERR_FILENO) && hushed().empty()),
      start_(std::chrono::steady_clock::now()),
      last_(start_) {
  if (!terminal_) return;
  const auto before = std::signal(SIGINT, clear_and_end);
  if (before != SIG_DFL) std::signal(SIGINT, before);  // somebody else cares for it
}

Progress::~Progress() {
  hide();
  if (!terminal_) return;
  const auto ours = std::signal(SIGINT, SIG_DFL);
  if (ours != clear_and_end) std::signal(SIGINT, ours);
}

std::string Progress::time_left() const {
  const int64_t fresh = done_ - first_;
  if (fresh <= 0) return "? left";
  const double each = seconds_since(start_) / static_cast<double>(fresh);
  return duration_text(each * static_cast<double>(total_ - done_)) + " left";
}

void Progress::update(int64_t done, const std::string& details) {
  done_ = done;
  details_ = details;
  if (!terminal_) {
    if (seconds_since(last_) >= 30)
      log(done, fmt::format("{} {}/{}{}{}", what_, done, total_, details.empty() ? "" : "  ", details));
    return;
  }
  if (drawn_ && seconds_since(last_) < 0.1 && done < total_) return;
  draw();
}

void hush(const std::string& name) { hushed() = name; }

void Progress::log(int64_t done, const std::string& text) {
  if (terminal_) return;
  done_ = done;
  last_ = std::chrono::steady_clock::now();
  say(fmt::format("{}  {} elapsed, {}", text, duration_text(seconds_since(start_)), time_left()));
}

void Progress::draw() {
  last_ = std::chrono::steady_clock::now();
  if (Progress* other = bar_on_screen(); other != nullptr && other != this) other->hide();
  const std::string text = bar_line({what_, done_, total_, time_left(), details_}, terminal_columns(STDERR_FILENO),
                                    has_colours(STDERR_FILENO));
  std::fprintf(stderr, "\r%s\033[K", text.c_str());
  std::fflush(stderr);
  drawn_ = true;
  bar_on_screen() = this;
}

void Progress::hide() {
  if (!drawn_) return;
  std::fputs(kClearLine, stderr);
  std::fflush(stderr);
  drawn_ = false;
  bar_on_screen() = nullptr;
}

void say(const std::string& text) {
  const std::string mark = "error:";
  if (!hushed().empty() && !text.starts_with(mark)) return;
  Progress* bar = bar_on_screen();
  if (bar != nullptr) bar->hide();
  const std::string whose = hushed().empty() ? "" : " " + hushed() + ":";
  const std::string shown = printable_lines(whose.empty() ? text : mark + whose + text.substr(mark.size()));
  const bool red = shown.starts_with(mark) && has_colours(STDERR_FILENO);
  std::fprintf(stderr, "%s%s\n", red ? "\033[31merror:\033[0m" : "", shown.c_str() + (red ? mark.size() : 0));
  std::fflush(stderr);
  if (bar != nullptr) bar->draw();
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

std::string counted(int64_t n, const std::string& thing) {
  return fmt::format("{} {}{}", thousands(n), thing, n == 1 ? "" : "s");
}

}  // namespace lowland::apps
