// What a person sees of a long job: one line that is redrawn on a terminal, plain lines elsewhere. Goes to stderr.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace lowland::apps {

// How far a job is, as its bar tells it.
struct BarState {
  std::string what;  // what is counted: "step"
  int64_t done = 0, total = 0;
  std::string left;     // "0:41 left"
  std::string details;  // fields two blanks apart, the most telling first: "loss 0.412  8,311 tokens/s  1.2 GB"
};

// The bar and its text in at most `columns` - 1 places. What is done and the time left come first, then details as far
// as they fit, then the bar.
std::string bar_line(const BarState& state, int columns, bool colours);

// The newest Progress is the one that is drawn. On no terminal it is plain lines: those of log(), and one every half
// minute where there are none.
class Progress {
 public:
  Progress(std::string what, int64_t total, int64_t done = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Redraws at most ten times a second. details: of BarState.
  void update(int64_t done, const std::string& details);
  // A plain line with the time that went by and the time left; nothing on a terminal, whose bar says as much.
  void log(int64_t done, const std::string& text);
  // Takes the bar off the screen until the next update: before something else than say() writes there.
  void hide();
  void finish() { hide(); }

 private:
  friend void say(const std::string& text);
  void draw();
  std::string time_left() const;
  std::string what_, details_;
  int64_t total_, first_, done_;
  bool terminal_, drawn_ = false;
  std::chrono::steady_clock::time_point start_, last_;
};

// Lines of the log, on stderr, above a bar that is there.
void say(const std::string& text);
void say(const std::vector<std::string>& lines);
// From here on this process is one of several that tell one story: it says nothing but errors, with its name.
void hush(const std::string& name);
std::string bytes_text(size_t bytes);                      // "1.24 GB"
std::string duration_text(double seconds);                 // "4:05", "1:02:03"
std::string thousands(int64_t n);                          // "12,345"
std::string counted(int64_t n, const std::string& thing);  // "1 thread", "12,345 threads"

}  // namespace lowland::apps
