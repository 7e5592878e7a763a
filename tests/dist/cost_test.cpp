// What a step takes a cluster at the least, against the same worked out by hand.
#include "apps/train/cost.h"

#include <doctest/doctest.h>

#include <atomic>

#include "apps/train/ranks.h"
#include "engine/error.h"
#include "optim/methods.h"
#include "tests/apps/line.h"
#include "tests/dist/ranks.h"

using namespace lowland;
using namespace lowland::apps;
using namespace lowland::test;

namespace {

// Two maps of 8 numbers to 8 with pairs of rank 2, and a head of 5.
struct Maps final : nn::Model {
  Maps() {
    for (const char* name : {"a", "b"}) own(std::make_unique<nn::Linear>(parameters_, name, 8, 8, nn::Bias::none));
    own_output(std::make_unique<nn::Linear>(parameters_, "head", 5, 8, nn::Bias::none));
    nn::LoraConfig lora;
    lora.rank = 2;
    lora.alpha = 2;
    lora.targets = [](const std::string&) { return true; };
    attach_lora(lora);
  }
};

}  // namespace

TEST_CASE("cost: products, sums and what hides what, by hand") {
  const Points points;
  MethodSettings how = default_settings("lora");
  TrainingSettings training;
  const SystemSettings system;
  const auto cost_of = [&](const MemoryPlan& plan, const Cluster& cluster, const char* recompute) {
    BatchSettings batch;
    batch.recompute = recompute;
    return step_cost({.new_model = [] { return std::make_unique<Maps>(); },
                      .objective = points,
                      .how = how,
                      .training = training,
                      .system = system},
                     batch, plan, cluster);
  };
  MemoryPlan plan;
  plan.step_rows = 10;
  plan.step_selected = 4;
  plan.gradients = 1000;
  // 2 * 10 * (8 * 8) for each of y and dx of two maps; 2 * 4 * (5 * 8) of the head; pairs 6 * 10 * 2 * (8 + 8) of two.
  const double products = 2 * 2 * 1280 + 2 * 320 + 2 * 1920;
  StepCost c = cost_of(plan, {.world = 4, .interconnect = "pcie", .tflops = 1e-6}, "none");
  CHECK(c.flops == products);
  CHECK(c.compute_s == doctest::Approx(products / 1e6));
  CHECK(c.summed == doctest::Approx(2 * 0.75 * 1000));
  CHECK(c.sum_s == doctest::Approx(1500 / 25e9));
  CHECK(c.step_s() == doctest::Approx(c.compute_s + c.sum_s));
  CHECK(c.overlap() == 1);
  CHECK(cost_of(plan, {.world = 4}, "block").flops == products + 2 * 1280);
  how = default_settings("flat-lora");
  c = cost_of(plan, {.world = 2}, "none");
  CHECK(c.flops == 2 * products);
  CHECK(c.summed == 2 * 1000);
  CHECK(c.sum_s == doctest::Approx(2000 / 350e9));
  training.ascent = "local";
  CHECK(cost_of(plan, {.world = 2}, "none").summed == 1000);
  // What is gathered goes on beside the products: the longer of the two counts.
  c.compute_s = 3, c.gather_s = 4, c.sum_s = 0.5;
  CHECK(c.step_s() == 4.5);
  CHECK(c.overlap() == 0.75);
  CHECK(c.sum_share() == doctest::Approx(0.5 / 4.5));
  c.gather_s = 2;
  CHECK(c.step_s() == 3.5);
  CHECK(c.overlap() == 1);
  CHECK(c.scaling() == doctest::Approx(3 / 3.5));
  CHECK_THROWS_WITH_AS(Cluster{.interconnect = "isdn"}.check(), "--interconnect must be nvlink, pcie or 100g, got isdn",
                       Error);
}

TEST_CASE("work is dealt in pieces: all take all of it, in order, whoever made it") {
  for (const int world : {1, 2, 3})
    for (const int64_t count : {0, 1, 5, 12}) {
      CAPTURE(world);
      CAPTURE(count);
      std::atomic<int64_t> made{0};
      must_run(world, [&](dist::Communicator& ranks) {
        std::vector<std::string> got;
        deal_texts(
            &ranks, count, 2,
            [&](int64_t begin, int64_t end) {
              std::vector<std::string> texts;
              for (int64_t i = begin; i < end; ++i, ++made)
                texts.push_back(i == 3 ? "" : "12 text " + std::to_string(i) + std::string(1, '\0'));
              return texts;
            },
            [&](int64_t i, const std::string& text) {
              LL_CHECK(i == std::ssize(got), "number {}", i);
              got.push_back(text);
            });
        LL_CHECK(std::ssize(got) == count, "{} texts", got.size());
        for (int64_t i = 0; i < count; ++i)
          LL_CHECK(got[static_cast<size_t>(i)] == (i == 3 ? "" : "12 text " + std::to_string(i) + std::string(1, '\0')),
                   "text {}", i);
      });
      CHECK(made == count);
    }
}
