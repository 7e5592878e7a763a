#include "engine/op_scope.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/nvtx.h"

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

OpLog::OpLog() {
  const char* trace = std::getenv("LL_TRACE");
  trace_ = trace != nullptr && std::strcmp(trace, "1") == 0;
}

void OpLog::add(const std::string& op, double ms) {
  OpRecord& r = records_[op];
  ++r.calls;
  r.ms += ms;
}

OpTimer::OpTimer(OpLog& log, const char* op, bool backward)
    : log_(log.active() ? &log : nullptr), op_(op), backward_(backward) {
  nvtx_push(op);
  if (log_ != nullptr) start_ = std::chrono::steady_clock::now();
}

OpTimer::~OpTimer() {
  nvtx_pop();
  if (log_ == nullptr) return;
  const double ms = ms_since(start_);
  const std::string name = std::string(op_) + (backward_ ? "_backward" : "");
  if (log_->collecting()) log_->add(name, ms);
  if (log_->trace()) std::fprintf(stderr, "%-28s %9.3f ms\n", name.c_str(), ms);
}

OpScope::OpScope(const char* op, std::initializer_list<Named> tensors, const char* file)
    : op_(op), file_(file), tensors_(tensors), context_(context_of(tensors, op)) {
  nvtx_push(op);
  if (context_.op_log().active()) start_ = std::chrono::steady_clock::now();
}

OpScope::~OpScope() {
  nvtx_pop();
  OpLog& log = context_.op_log();
  if (!log.active()) return;
  const double ms = ms_since(start_);
  if (log.collecting()) log.add(op_, ms);
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

bool OpScope::records() const {
  if (!context_.tape().recording()) return false;
  for (const auto& [name, tensor] : tensors_)
    if (tensor->requires_grad()) return true;
  return false;
}

void OpScope::record(Tensor& y, Tape::Backward backward) const { context_.tape().record(op_, y, std::move(backward)); }

}  // namespace lowland
