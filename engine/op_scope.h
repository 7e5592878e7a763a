// OpScope stands at the top of every op: it names the op and its tensors for error messages, for LL_TRACE=1 (one line
// per op as it runs) and for the table of bench --by-op.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/autograd.h"
#include "engine/tensor.h"

namespace lowland {

struct OpRecord {
  int64_t calls = 0;
  double ms = 0;
  OpWork work;
};

// What ran, how often and how long. Off unless asked for. On a GPU the times are the device's own, between events
// before and after an op's launches; they are read when the records are. LL_TRACE's times there are the host's.
class OpLog {
 public:
  explicit OpLog(Accelerator* device = nullptr);  // reads LL_TRACE
  bool trace() const { return trace_; }
  bool collecting() const { return collecting_; }
  bool active() const { return trace_ || collecting_; }
  void set_collecting(bool on) { collecting_ = on; }
  const std::map<std::string, OpRecord>& records();
  void clear();

  // Where an op begins, and its end.
  struct Start {
    std::chrono::steady_clock::time_point host;
    size_t mark = 0;
  };
  Start start();
  double finish(const Start& start, const std::string& op, OpWork work);  // milliseconds on the host

 private:
  struct Pending {
    std::string op;
    size_t from, to;
    OpWork work;
  };
  void add(const std::string& op, double ms, OpWork work);
  Accelerator* device_;
  bool trace_ = false, collecting_ = false;
  std::map<std::string, OpRecord> records_;
  std::vector<Pending> pending_;
};

// Times one backward step.
class OpTimer {
 public:
  OpTimer(OpLog& log, const char* op, OpWork work);
  ~OpTimer();
  OpTimer(const OpTimer&) = delete;
  OpTimer& operator=(const OpTimer&) = delete;

 private:
  OpLog* log_;  // null when off
  const char* op_;
  OpWork work_;
  OpLog::Start start_;
};

class OpScope {
 public:
  using Named = std::pair<const char*, const Tensor*>;
  OpScope(const char* op, std::initializer_list<Named> tensors, const char* file = __builtin_FILE());
  ~OpScope();
  OpScope(const OpScope&) = delete;
  OpScope& operator=(const OpScope&) = delete;

  // `[rms_norm] message | x: (2,768) f32 cpu | w: (512) f32 cpu | hint: ...` when the condition does not hold.
  void check(bool condition, const char* message, const char* hint = nullptr) const;
  // What it moves, in sizes of x, or computes, in operations: forward and backward.
  void moves(const Tensor& x, double forward, double backward);
  void computes(double forward, double backward);
  // True if a gradient will be asked for.
  bool records() const;
  void record(Tensor& y, Tape::Backward backward) const;

 private:
  const char* op_;
  const char* file_;
  std::vector<Named> tensors_;
  Context& context_;
  OpLog::Start start_;
  OpWork forward_, backward_;
};

}  // namespace lowland
