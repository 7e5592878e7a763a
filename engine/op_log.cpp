#include "engine/op_log.h"

#include <cstdio>

#include "engine/nvtx.h"
#include "kernels/common/accelerator.h"
#include "kernels/common/environment.h"

namespace lowland {
namespace {

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

OpLog::OpLog(Accelerator* device) : device_(device), trace_(environment::kTrace.on()) {}

OpLog::Start OpLog::start() {
  return {std::chrono::steady_clock::now(), device_ != nullptr && collecting_ ? device_->mark() : 0};
}

void OpLog::add(const std::string& op, double ms, OpWork work) {
  OpRecord& r = records_[op];
  ++r.calls;
  r.ms += ms;
  r.work.bytes += work.bytes;
  r.work.flops += work.flops;
}

double OpLog::finish(const Start& start, const std::string& op, OpWork work) {
  const double ms = ms_since(start.host);
  if (!collecting_) return ms;
  if (device_ != nullptr) {
    pending_.push_back({op, start.mark, device_->mark(), work});
  } else {
    add(op, ms, work);
  }
  return ms;
}

const std::map<std::string, OpRecord>& OpLog::records() {
  for (const Pending& p : pending_) add(p.op, device_->ms_between(p.from, p.to), p.work);
  pending_.clear();
  if (device_ != nullptr) device_->clear_marks();
  return records_;
}

void OpLog::clear() {
  pending_.clear();
  records_.clear();
  if (device_ != nullptr) device_->clear_marks();
}

OpTimer::OpTimer(OpLog& log, const char* op, OpWork work) : log_(log.active() ? &log : nullptr), op_(op), work_(work) {
  nvtx_push(op);
  if (log_ != nullptr) start_ = log_->start();
}

OpTimer::~OpTimer() {
  nvtx_pop();
  if (log_ == nullptr) return;
  const std::string name = std::string(op_) + "_backward";
  const double ms = log_->finish(start_, name, work_);
  if (log_->trace()) std::fprintf(stderr, "%-28s %9.3f ms\n", name.c_str(), ms);
}

}  // namespace lowland
