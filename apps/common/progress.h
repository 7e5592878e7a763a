// What a person sees of a long job: one line that is redrawn on a terminal, plain lines elsewhere. Goes to stderr.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace lowland::apps {

class Progress {
 public:
  Progress(std::string what, int64_t total, int64_t done = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Redraws at most ten times a second. `details`: "loss 0.412  8,311 tokens/s  1.2 GB".
  void update(int64_t done, const std::string& details);
  // A line of its own, above the bar.
  void line(const std::string& text);
  void finish();
  bool on_terminal() const { return terminal_; }

 private:
  void draw();
  std::string what_, details_;
  int64_t total_, first_, done_;
  bool terminal_, drawn_ = false;
  std::chrono::steady_clock::time_point start_, last_;
};

// Lines of the log, on stderr.
void say(const std::string& text);
void say(const std::vector<std::string>& lines);
std::string bytes_text(size_t bytes);       // "1.24 GB"
std::string duration_text(double seconds);  // "4:05", "1:02:03"
std::string thousands(int64_t n);           // "12,345"

}  // namespace lowland::apps
