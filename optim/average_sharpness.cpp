#include "optim/average_sharpness.h"

#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "nn/init.h"
#include "optim/draws.h"
#include "optim/optimizer.h"

namespace lowland::optim {
namespace {

// u / ||u|| of a draw, times rho, into the probes.
void move(const WeightProbes& probes, double rho, uint64_t seed, int64_t draw) {
  std::vector<Tensor> all;
  double squares = 0;
  for (const WeightProbes::Probe& p : probes.all()) {
    const Tensor u = Tensor::empty(p.e.context(), p.e.shape(), DType::f32);
    nn::init_normal(u, 1.0, nn::init_key(seed, fmt::format("{}.average.{}", p.linear->parts()[0].module, draw)));
    keep_rows(u, p.rows);
    squares += sum_squares(u);
    all.push_back(u);
  }
  for (size_t i = 0; i < all.size(); ++i)
    probes.all()[i].e.copy_from(ops::scale(all[i], squares > 0 ? rho / std::sqrt(squares) : 0.0));
}

}  // namespace

AverageSharpness measure_average_sharpness(nn::Model& model, const ProbeLoss& loss,
                                           const AverageSharpnessOptions& options) {
  model.arena().require_centre("average-case sharpness");
  LL_CHECK(options.draws >= 1, "average-case sharpness needs a draw, not {}", options.draws);
  const PhaseScope phase(model.context().memory(), "probe");
  const NoGrad guard(model.context());
  AverageSharpness result;
  result.loss = loss(false);
  const WeightProbes probes(model, false);
  std::vector<double> rises;
  for (int64_t draw = 0; draw < options.draws; ++draw) {
    move(probes, options.rho, options.seed, draw);
    rises.push_back(loss(false) - result.loss);
  }
  const MeanOfDraws rise = mean_of_draws(rises);
  result.sharpness = rise.mean;
  result.error = rise.error;
  return result;
}

}  // namespace lowland::optim
