// Loss landscapes: the loss along one or two random directions through the weights of the adapted layers,
//   L(W + x d1)   or   L(W + x d1 + y d2),   x, y from -range to range
// Directions are normal draws, each row scaled to the length of the row of W that it moves ("filter normalisation"), so
// that models of unlike scale can be compared: x = 1 moves every row by its own length. W is not touched: the steps are
// made by probes (optim/weight_probes.h). Two runs over one base model and seed see the same directions.
// paper      Li et al. 2018, arXiv:1712.09913
#pragma once
#include <cstdint>

#include "optim/weight_probes.h"

namespace lowland::optim {

struct LandscapeOptions {
  int dimensions = 1;   // 1 or 2
  int64_t points = 21;  // along each direction, odd: the middle one is the centre
  double range = 1;
  uint64_t seed = 42;
};

struct Landscape {
  std::vector<double> at;    // the values of x, and of y
  std::vector<double> loss;  // points, or points^2: a row for each y
};

// loss is called once for each point, without a backward. `each`, if there is one, is called after every point with
// how many are done. Throws Error while a PerturbedView is alive.
Landscape measure_landscape(nn::Model& model, const ProbeLoss& loss, const LandscapeOptions& options,
                            const std::function<void(int64_t done)>& each = nullptr);

// The plane through three places of all that is trained, such as the start of two runs and where they ended:
//   L(start + x (one - start) + y (other - start)),   x, y from -margin to 1 + margin
// so that start is at (0, 0), one at (1, 0) and other at (0, 1).
struct PlaneOptions {
  int64_t points = 15;  // along each direction
  double margin = 0.25;
};

// The places: arrays like Arena::values(). loss is called once for each point. The centre comes back bit for bit,
// whatever happens. Throws Error while a PerturbedView is alive, and for places of another size.
Landscape measure_plane(nn::Model& model, const ProbeLoss& loss, const Tensor& start, const Tensor& one,
                        const Tensor& other, const PlaneOptions& options,
                        const std::function<void(int64_t done)>& each = nullptr);

}  // namespace lowland::optim
