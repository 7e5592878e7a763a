// A map of several parts with DoRA on some of them.
#include <doctest/doctest.h>

#include <cmath>

#include "engine/ops/ops.h"
#include "nn/model.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

// One map of three parts, of which the first and the last have a pair with DoRA.
class Parts final : public nn::Model {
 public:
  static constexpr int64_t M = 6, n = 4, R = 2;
  nn::Linear* map;
  explicit Parts(double dropout) {
    map =
        own(std::make_unique<nn::Linear>(parameters_, std::vector<nn::Linear::Part>{{"a", n}, {"b", n}, {"c", n}}, M));
    nn::LoraConfig config;
    config.rank = R;
    config.alpha = 3;
    config.dropout = dropout;
    config.dora = true;
    config.targets = [](const std::string& module) { return module != "b"; };
    attach_lora(config);
    materialise(cpu(), DType::f64);
    uint64_t seed = 1;
    for (const auto& [name, t] : parameters().named()) t.copy_from(random_tensor(t.shape(), ++seed));
    initialise_adapters(1);
  }
};

}  // namespace

// peft's LoraDoraLinear, written out: with a dropout on the pairs' input its own way.
TEST_CASE("dora: a map of several parts computes what peft does, with dropout and without") {
  for (const double p : {0.0, 0.4}) {
    CAPTURE(p);
    const Parts model(p);
    const int64_t N = 11, M = Parts::M, n = Parts::n, R = Parts::R, O = 3 * n;
    const Tensor x = random_tensor({N, M}, 50);
    const nn::RowIds rows{Tensor::from<int32_t>(cpu(), {N}, std::vector<int32_t>(N, 2)),
                          Tensor::from<int32_t>(cpu(), {N}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10})};
    const nn::Mode mode{.training = true, .seed = 3, .step = 4};
    const Values base = to_values(ops::linear(x, model.map->weight().value, Tensor()));
    // With B = 0 and magnitudes as they begin, the base's output, and under a dropout as well.
    Values with_bias = base;
    const char* const names[] = {"a", "b", "c"};
    for (int64_t part = 0; part < 3; ++part) {
      const Values bias = to_values(model.parameters().find(std::string(names[part]) + ".bias"));
      for (int64_t i = 0; i < N; ++i)
        for (int64_t j = 0; j < n; ++j) with_bias[i * O + part * n + j] += bias[j];
    }
    CHECK(max_abs_diff(to_values(model.map->forward(x, rows, mode)), with_bias) < 1e-12);

    const nn::Arena& arena = model.arena();
    for (const nn::AdapterSpec& a : model.adapters()) {
      arena.master(a.b).copy_from(random_tensor({n, R}, 60 + a.module[0]));
      arena.master(a.magnitude).copy_from(random_tensor({n}, 70 + a.module[0]));
    }
    const Tensor y = model.map->forward(x, rows, mode);
    // What the dropout keeps, from an input of ones.
    const Tensor ones = Tensor::from<double>(cpu(), {N, M}, Values(N * M, 1.0));
    const Values kept =
        to_values(ops::dropout(ones, mode.dropout(p, 1, rows)));  // the map is the model's first to draw
    Values xd = to_values(x);
    for (int64_t i = 0; i < N * M; ++i) xd[i] *= kept[i];
    Values want = with_bias;
    const Values W = to_values(model.map->weight().value);
    for (const nn::AdapterSpec& a : model.adapters()) {
      const Values A = to_values(arena.master(a.a)), B = to_values(arena.master(a.b)),
                   m = to_values(arena.master(a.magnitude));
      const int64_t first = (a.module[0] - 'a') * n;
      for (int64_t j = 0; j < n; ++j) {
        Values v(M);
        double squares = 0;
        for (int64_t c = 0; c < M; ++c) {
          v[c] = W[(first + j) * M + c];
          for (int64_t r = 0; r < R; ++r) v[c] += a.scale * B[j * R + r] * A[r * M + c];
          squares += v[c] * v[c];
        }
        for (int64_t i = 0; i < N; ++i) {
          double turned = 0, plain = 0;
          for (int64_t c = 0; c < M; ++c) {
            turned += xd[i * M + c] * v[c];
            plain += xd[i * M + c] * W[(first + j) * M + c];
          }
          want[i * O + first + j] += m[j] / std::sqrt(squares) * turned - plain;
        }
      }
    }
    CHECK(max_abs_diff(to_values(y), want) < 1e-12);
  }
}
