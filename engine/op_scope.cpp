#include "engine/op_scope.h"

#include <cstdio>

#include "engine/error.h"
#include "engine/nvtx.h"

namespace lowland {
namespace {

Context& context_of(std::initializer_list<OpScope::Named> tensors, const char* op) {
  for (const auto& [name, tensor] : tensors)
    if (tensor->defined()) return tensor->context();
  fail("[{}] every tensor is absent", op);
}

}  // namespace

OpScope::OpScope(const char* op, std::initializer_list<Named> tensors, const char* file)
    : op_(op), file_(file), tensors_(tensors), context_(context_of(tensors, op)) {
  nvtx_push(op);
  context_.share_processors();
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
