#include "engine/op_scope.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/nvtx.h"
#include "kernels/common/accelerator.h"

namespace lowland {
namespace {

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

Context& context_of(std::initializer_list<OpScope::Named> tensors, const char* op) {
  for (const auto& [name, tensor] : tensors)
    if (tensor->defined()) return tensor->context();
  fail("[{}] every tensor is absent", op);
}

}  // namespace

OpLog::OpLog(Accelerator* device) : device_(device) {
  const char* trace = std::getenv("LL_TRACE");
  trace_ = trace != nullptr && std::strcmp(trace, "1") == 0;
}

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

OpScope::OpScope(const char* op, std::initializer_list<Named> tensors, const char* file)
    : op_(op), file_(file), tensors_(tensors), context_(context_of(tensors, op)) {
  nvtx_push(op);
  if (context_.op_log().active()) start_ = context_.op_log().start();
}

OpScope::~OpScope() {
  nvtx_pop();
  OpLog& log = context_.op_log();
  if (!log.active()) return;
  const double ms = log.finish(start_, op_, forward_);
  if (log.trace()) {
    std::string line = fmt::format("{:<28} {:9.3f} ms ", op_, ms);
    for (const auto& [name, tensor] : tensors_) line += fmt::format(" {} {}", name, describe(*tensor));
    std::fprintf(stderr, "%s  %s\n", line.c_str(), file_);
  }
}

void OpScope::check(bool condition, const char* message, const char* hint) const {
  if (condition) return;
  std::string text = fmt::format("[{}] {}", op_, message);
  for (const auto& [name, tensor] : tensors_) text += fmt::format(" | {}: {}", name, describe(*tensor));
  if (hint != nullptr) text += fmt::format(" | hint: {}", hint);
  fail(text);
}

void OpScope::moves(const Tensor& x, double forward, double backward) {
  const auto bytes = static_cast<double>(x.nbytes());
  forward_.bytes = forward * bytes;
  backward_.bytes = backward * bytes;
}

void OpScope::computes(double forward, double backward) {
  forward_.flops = forward;
  backward_.flops = backward;
}

bool OpScope::records() const {
  if (!context_.tape().recording()) return false;
  for (const auto& [name, tensor] : tensors_)
    if (tensor->requires_grad()) return true;
  return false;
}

void OpScope::record(Tensor& y, Tape::Backward backward) const {
  context_.tape().record(op_, y, std::move(backward), backward_);
}

}  // namespace lowland
