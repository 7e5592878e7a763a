// OpLog: what ran, how often and how long, for LL_TRACE=1 (one line per op as it runs) and the table of bench --by-op.
// Off unless asked for. On a GPU the times are the device's own, between events before and after an op's launches; they
// are read when the records are. LL_TRACE's times there are the host's.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace lowland {

class Accelerator;

// What an op must at least move through memory, or compute where that is what bounds it: for GB/s and TFLOP/s of
// bench --by-op. Zero: not told.
struct OpWork {
  double bytes = 0, flops = 0;
};

struct OpRecord {
  int64_t calls = 0;
  double ms = 0;
  OpWork work;
};

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
  bool trace_, collecting_ = false;
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

}  // namespace lowland
