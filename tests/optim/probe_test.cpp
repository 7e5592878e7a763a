#include "optim/probe.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/error.h"
#include "tests/ops/harness.h"

using namespace lowland;
using nn::Role;

TEST_CASE("probe_adapters: norms, balancedness and condition numbers") {
  nn::Arena arena(test::cpu(), DType::f32,
                  {{"A", {2, 3}, Role::lora_a},
                   {"B", {4, 2}, Role::lora_b},
                   {"A2", {2, 3}, Role::lora_a},
                   {"B2", {4, 2}, Role::lora_b}},
                  {{"first", "A", "B", 4, 3, 2, 1.0}, {"second", "A2", "B2", 4, 3, 2, 1.0}});
  const auto set = [&](const char* name, const std::vector<float>& v) {
    arena.value(name).copy_from(Tensor::from<float>(test::cpu(), {static_cast<int64_t>(v.size())}, v));
  };
  set("A", {3, 0, 0, 0, 0, 0.5f});      // singular values 3 and 0.5
  set("B", {1, 1, 1, -1, 0, 0, 2, 0});  // columns orthogonal, of lengths sqrt(6) and sqrt(2)
  set("A2", {1, 2, 3, 2, 4, 6});        // rank 1
  auto probes = optim::probe_adapters(arena);
  REQUIRE(probes.size() == 2);
  CHECK(probes[0].module == "first");
  CHECK(probes[0].norm_a == doctest::Approx(std::sqrt(9.25)).epsilon(1e-14));
  CHECK(probes[0].norm_b == doctest::Approx(std::sqrt(8.0)).epsilon(1e-14));
  CHECK(probes[0].balancedness == doctest::Approx((8 - 9.25) / 2).epsilon(1e-14));
  CHECK(probes[0].condition_a == doctest::Approx(6).epsilon(1e-12));
  CHECK(probes[0].condition_b == doctest::Approx(std::sqrt(3.0)).epsilon(1e-12));
  CHECK(probes[0].perturbation_norm == 0);
  CHECK(std::isinf(probes[1].condition_a));
  CHECK(probes[1].condition_b == 0);
  arena.want_perturbation(Role::lora_b);
  test::set_element(arena.perturbation("B2"), 3, -4);
  CHECK(optim::probe_adapters(arena)[1].perturbation_norm == 4);
  const nn::PerturbedView view(arena);
  CHECK_THROWS_AS(optim::probe_adapters(arena), Error);
}
