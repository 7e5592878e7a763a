// OpScope stands at the top of every op: it names the op and its tensors for error messages, for LL_TRACE=1 (one line
// per op as it runs) and for the table of bench --by-op.
#pragma once
#include <utility>
#include <vector>

#include "engine/autograd.h"
#include "engine/op_log.h"

namespace lowland {

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
