// BenchModel: a method under test, with a model, an optimizer and a memory of its own, on random weights.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "apps/bench/bench_step.h"
#include "apps/bench/bench_verb.h"
#include "apps/common/session_parts.h"
#include "apps/common/training_run.h"

namespace lowland::apps {

template <class M> struct BenchModel {
  // Decides what is trained and what frozen weights are kept in, before there is memory.
  using Choose = std::function<void(M& model, const Settings& settings, const Context& context)>;
  // scale * sum of the losses of a batch.   -> (1)
  using Loss = std::function<Tensor(const M& model, const PackedBatch& batch, const nn::Mode& mode, double scale)>;

  Settings settings;
  std::unique_ptr<Context> context;
  std::unique_ptr<M> model;
  std::unique_ptr<optim::Method> method;
  std::unique_ptr<StepPasses> passes;

  // std: of the random weights.
  BenchModel(const Settings& base, const std::string& name, std::unique_ptr<M> built, double std, const Choose& choose,
             const Loss& loss)
      : settings(base), context(make_context(base)), model(std::move(built)) {
    settings.method = name;
    choose(*model, settings, *context);
    model->set_recompute(settings.recompute == "block");
    model->materialise(*context, compute_dtype(settings, *context));
    fill_weights(*model, std);
    method = optim::make_method(name, model->arena(), method_options(settings));
    passes = std::make_unique<StepPasses>(
        *model, *method,
        [m = model.get(), loss](const PackedBatch& b, const nn::Mode& mode, double s) { return loss(*m, b, mode, s); },
        !settings.no_graphs);
  }
};

// The subject as the verb times it; `batch` makes the examples of a step.
template <class M>
BenchMethod bench_method(BenchVerb& verb, std::shared_ptr<BenchModel<M>> subject,
                         std::function<PackedBatch(const BenchModel<M>&, int64_t step)> batch) {
  verb.dtype = name_of(subject->model->dtype());
  const auto step = [s = subject.get(), batch = std::move(batch)](int64_t index) {
    return bench_step(*s->model, *s->method, s->settings, *s->passes, batch(*s, index), index);
  };
  Context* const context = subject->context.get();
  const int64_t trained = subject->model->trainable_count();
  return {std::move(subject), context, step, trained};
}

}  // namespace lowland::apps
