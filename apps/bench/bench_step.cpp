#include "apps/bench/bench_step.h"

#include <algorithm>

#include "apps/common/trainer.h"
#include "engine/autograd.h"

namespace lowland::apps {
namespace {

void pass(nn::Model& model, optim::Method& method, const std::function<Tensor(const nn::Mode&)>& loss, int64_t index) {
  Context& context = model.context();
  model.arena().zero_grads();
  const nn::PerturbedView view = method.training_view();
  Tensor l;
  {
    const PhaseScope phase(context.memory(), "forward");
    l = loss({true, 1, static_cast<uint64_t>(index)});
  }
  const PhaseScope phase(context.memory(), "backward");
  context.tape().backward(l);
}

}  // namespace

void bench_step(nn::Model& model, optim::Method& method, const Settings& settings,
                const std::function<Tensor(const nn::Mode&)>& loss, int64_t index) {
  method.set_step(index, peak_learning_rate(settings), settings.rho);
  pass(model, method, loss, index);
  if (method.wants_second_pass()) {
    method.ascend();
    pass(model, method, loss, index);
    method.restore();
  }
  const PhaseScope phase(model.context().memory(), "optimizer");
  method.step();
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

}  // namespace lowland::apps
