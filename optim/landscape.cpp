#include "optim/landscape.h"

#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "nn/init.h"

namespace lowland::optim {
namespace {

// d (out, in): normal rows as long as those of W, zero outside of what adapters change. W is the weight as it is
// stored: an adapter's product is part of the point that is looked at, not of the scale.
Tensor direction(const WeightProbes::Probe& probe, uint64_t seed, int which) {
  const Tensor stored = probe.linear->weight().master;
  const Tensor d = Tensor::empty(stored.context(), stored.shape(), DType::f32);
  nn::init_normal(d, 1.0, nn::init_key(seed, fmt::format("{}.landscape.{}", probe.linear->parts()[0].module, which)));
  const std::vector<float> w = stored.to(DType::f32).to_vector<float>();
  std::vector<float> x = d.to_vector<float>();
  const size_t in = d.dim(1);
  for (size_t row = 0; row < x.size(); row += in) {
    double w_squares = 0, x_squares = 0;
    for (size_t i = row; i < row + in; ++i) {
      const double wi = w[i], xi = x[i];
      w_squares += wi * wi;
      x_squares += xi * xi;
    }
    const auto scale = static_cast<float>(x_squares > 0 ? std::sqrt(w_squares / x_squares) : 0.0);
    for (size_t i = row; i < row + in; ++i) x[i] *= scale;
  }
  d.assign(x);
  keep_rows(d, probe.rows);
  return d;
}

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

}  // namespace lowland::optim
