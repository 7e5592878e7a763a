#include "optim/landscape.h"

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "nn/init.h"
#include "optim/xtensor.h"

namespace lowland::optim {
namespace {

// d (out, in): normal rows as long as those of W, zero outside of what adapters change. W is the weight as it is
// stored: an adapter's product is part of the point that is looked at, not of the scale.
Tensor direction(const WeightProbes::Probe& probe, uint64_t seed, int which) {
  const Tensor stored = probe.linear->weight().master;
  const Tensor d = Tensor::empty(stored.context(), stored.shape(), DType::f32);
  nn::init_normal(d, 1.0, nn::init_key(seed, fmt::format("{}.landscape.{}", probe.linear->parts()[0].module, which)));
  const std::array<size_t, 2> shape{static_cast<size_t>(d.dim(0)), static_cast<size_t>(d.dim(1))};
  const std::vector<float> w = stored.to(DType::f32).to_vector<float>();
  std::vector<float> x = d.to_vector<float>();
  const auto W = xt::adapt(w, shape);
  auto X = xt::adapt(x, shape);
  const auto squares = [](const auto& m) { return xt::eval(xt::sum(xt::square(xt::cast<double>(m)), 1)); };
  const auto w2 = squares(W), x2 = squares(X);  // (out)
  const auto scale = xt::eval(xt::cast<float>(xt::where(x2 > 0.0, xt::sqrt(w2 / x2), 0.0)));
  X *= xt::view(scale, xt::all(), xt::newaxis());
  d.assign(x);
  keep_rows(d, probe.rows);
  return d;
}

// The values come back at the end.
class KeptValues {
 public:
  explicit KeptValues(const nn::Arena& arena) : arena_(arena), values_(arena.values().clone()) {}
  ~KeptValues() { arena_.values().copy_from(values_); }
  KeptValues(const KeptValues&) = delete;
  KeptValues& operator=(const KeptValues&) = delete;

 private:
  const nn::Arena& arena_;
  Tensor values_;
};

}  // namespace

Landscape measure_landscape(nn::Model& model, const ProbeLoss& loss, const LandscapeOptions& options,
                            const std::function<void(int64_t)>& each) {
  model.arena().require_centre("the loss landscape");
  LL_CHECK(options.dimensions == 1 || options.dimensions == 2, "a landscape has 1 or 2 dimensions, not {}",
           options.dimensions);
  LL_CHECK(options.points >= 3 && options.points % 2 == 1,
           "a landscape needs an odd number of points, at least 3, not {}", options.points);
  LL_CHECK(options.range > 0, "the range of a landscape must be more than 0, not {}", options.range);
  const PhaseScope phase(model.context().memory(), "probe");
  const NoGrad guard(model.context());
  const WeightProbes probes(model, false);
  std::vector<Tensor> along[2];
  for (int k = 0; k < options.dimensions; ++k)
    for (const WeightProbes::Probe& p : probes.all()) along[k].push_back(direction(p, options.seed, k));

  Landscape out;
  const int64_t half = options.points / 2;
  for (int64_t i = -half; i <= half; ++i)
    out.at.push_back(options.range * static_cast<double>(i) / static_cast<double>(half));
  const std::vector<double> centre{0.0};
  for (const double y : options.dimensions == 2 ? out.at : centre)
    for (const double x : out.at) {
      for (size_t i = 0; i < probes.all().size(); ++i) {
        Tensor step = ops::scale(along[0][i], x);
        if (y != 0) step = ops::add(step, ops::scale(along[1][i], y));
        probes.all()[i].e.copy_from(step);
      }
      out.loss.push_back(loss(false));
      if (each) each(out.loss.size());
    }
  return out;
}

Landscape measure_plane(nn::Model& model, const ProbeLoss& loss, const Tensor& start, const Tensor& one,
                        const Tensor& other, const PlaneOptions& options, const std::function<void(int64_t)>& each) {
  const nn::Arena& arena = model.arena();
  arena.require_centre("the loss landscape");
  LL_CHECK(options.points >= 2, "a plane needs at least 2 points along each direction, not {}", options.points);
  LL_CHECK(options.margin >= 0, "the margin of a plane must not be negative, got {}", options.margin);
  for (const Tensor* place : {&start, &one, &other})
    LL_CHECK(place->numel() == arena.size(), "a place of {} numbers is none of a model that trains {}", place->numel(),
             arena.size());
  const PhaseScope phase(model.context().memory(), "probe");
  const NoGrad guard(model.context());
  const KeptValues kept(arena);
  Landscape out;
  const double step = (1 + 2 * options.margin) / static_cast<double>(options.points - 1);
  for (int64_t i = 0; i < options.points; ++i) out.at.push_back(-options.margin + step * static_cast<double>(i));
  for (const double y : out.at)
    for (const double x : out.at) {
      const Tensor sum = ops::add(ops::scale(one, x), ops::scale(other, y));
      arena.values().copy_from(ops::add(ops::scale(start, 1 - x - y), sum));
      out.loss.push_back(loss(false));
      if (each) each(std::ssize(out.loss));
    }
  return out;
}

}  // namespace lowland::optim
