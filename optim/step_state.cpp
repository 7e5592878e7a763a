#include "optim/step_state.h"

#include <cstring>
#include <vector>

#include "engine/launch.h"
#include "kernels/sum_squares.h"

namespace lowland::optim {
namespace {

constexpr int64_t kWords = sizeof(StepScalars) / sizeof(int64_t);

void write_grad_squares(StepScalars* s, const Tensor& grads) {
  LL_LAUNCH_MASTER(grads, sum_squares, &s->grad_squares, grads.data<T>(), grads.numel());
}

}  // namespace

StepState::StepState(Context& context) : memory_(Tensor::zeros(context, {kWords}, DType::i64)) { write({}); }

StepScalars* StepState::scalars() const { return static_cast<StepScalars*>(memory_.raw()); }

void StepState::set_step(int64_t step, double lr, double rho, bool new_window) const {
  LL_LAUNCH_UNTYPED(memory_, set_step, scalars(), step, lr, rho, new_window);
}

void StepState::add_loss(const Tensor& loss) const {
  LL_CHECK(loss.numel() == 1, "the loss of a step must be one number | loss: {}", describe(loss));
  LL_LAUNCH_MASTER(loss, add_loss, scalars(), loss.data<T>());
}

void StepState::begin_ascent(const Tensor& grads) const {
  write_grad_squares(scalars(), grads);
  LL_LAUNCH_UNTYPED(memory_, begin_ascent, scalars());
}

void StepState::divide_rho(double most) const { LL_LAUNCH_UNTYPED(memory_, divide_rho, scalars(), most); }

void StepState::begin_update(const Tensor& grads, double max_grad_norm) const {
  write_grad_squares(scalars(), grads);
  LL_LAUNCH_UNTYPED(memory_, begin_update, scalars(), max_grad_norm);
}

StepScalars StepState::read() const {
  const std::vector<int64_t> words = memory_.to_vector<int64_t>();
  StepScalars s;
  std::memcpy(static_cast<void*>(&s), words.data(), sizeof s);
  return s;
}

void StepState::write(const StepScalars& scalars) const {
  std::vector<int64_t> words(kWords);
  std::memcpy(words.data(), &scalars, sizeof scalars);
  memory_.copy_from(Tensor::from<int64_t>(memory_.context(), {kWords}, words));
}

}  // namespace lowland::optim
