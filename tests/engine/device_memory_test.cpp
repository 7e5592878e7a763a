// A device whose memory is short, which only an emulated one can be told to be: requests that fail, in a step that runs
// as it stands and in one that is to be captured.
#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/device/device_allocator.h"
#include "engine/error.h"
#include "engine/graph.h"
#include "engine/ops/ops.h"
#include "tests/emulator.h"

using namespace lowland;
using namespace lowland::test;

namespace {

constexpr int64_t kFloats = 1 << 18;  // of a megabyte

std::unique_ptr<Context> small_device(int64_t megabytes) {
  return std::make_unique<Context>(2, make_emulator(2, static_cast<size_t>(megabytes) << 20));
}

Tensor megabytes(Context& context, int64_t n) { return Tensor::empty(context, {n * kFloats}, DType::f32); }

// A step that holds `n` megabytes for a while and adds its input to `sum`.
GraphCache::Ran add(GraphCache& cache, const Tensor& sum, float v, int64_t n) {
  return cache.run(std::to_string(n), {Tensor::from<float>(sum.context(), {1}, {v})},
                   [&](const std::vector<Tensor>& in) {
                     const PhaseScope phase(sum.context().memory(), "forward");
                     const Tensor room = megabytes(sum.context(), n);
                     sum.copy_from(ops::add(sum, in[0]));
                   });
}

using Ran = GraphCache::Ran;

TEST_CASE("short of memory: no room for the arena of captured steps, so they run as they stand") {
  const auto device = small_device(24);
  const Tensor weights = megabytes(*device, 8), sum = Tensor::zeros(*device, {1}, DType::f32);
  GraphCache cache(*device);
  for (int i = 0; i < 5; ++i) CHECK(add(cache, sum, 1, 15) == Ran::direct);  // the arena would be an eighth larger
  CHECK(sum.item() == 5);
  CHECK(cache.graphs() == 0);
  CHECK(cache.note().find("steps of some sizes are not captured as graphs: out of memory on cuda:0 (emulated,") == 0);
  add(cache, sum, 1, 2);
  CHECK(add(cache, sum, 1, 2) == Ran::captured);  // a smaller step has its graph
  CHECK(add(cache, sum, 1, 2) == Ran::replayed);
  CHECK(sum.item() == 8);
}

TEST_CASE("short of memory: a step that does not fit is an error, and what comes after it works") {
  const auto device = small_device(16);
  const Tensor weights = megabytes(*device, 8), sum = Tensor::zeros(*device, {1}, DType::f32);
  GraphCache cache(*device);
  for (int i = 0; i < 3; ++i) add(cache, sum, 1, 2);
  CHECK(cache.graphs() == 1);
  const size_t live = device->memory().live_bytes();
  for (int i = 0; i < 2; ++i)
    CHECK_THROWS_WITH_AS(add(cache, sum, 100, 9), doctest::Contains("asked for 9.4 MB in phase forward with 8.4 MB"),
                         Error);
  CHECK(device->memory().live_bytes() == live);
  CHECK(device->memory().phase() == "setup");
  CHECK(add(cache, sum, 1, 2) == Ran::replayed);
  CHECK(sum.item() == 4);
}

TEST_CASE("short of memory: a tape that an error leaves behind does not keep its tensors") {
  const auto device = small_device(16);
  Tensor leaf = Tensor::zeros(*device, {kFloats}, DType::f32);
  leaf.set_requires_grad();
  GraphCache cache(*device);
  const auto step = [&](int64_t n) {
    cache.run("step", {leaf}, [&](const std::vector<Tensor>&) {
      const Tensor y = ops::scale(leaf, 2);
      const Tensor room = megabytes(*device, n);
      device->tape().clear();
    });
  };
  step(1);
  step(1);
  const size_t live = device->memory().live_bytes();
  CHECK_THROWS_AS(cache.run("other", {leaf},
                            [&](const std::vector<Tensor>&) {
                              const Tensor y = ops::scale(leaf, 2);
                              megabytes(*device, 20);
                            }),
                  Error);
  CHECK(device->tape().size() == 0);
  CHECK(device->memory().live_bytes() == live);
}

TEST_CASE("short of memory: a captured step that asks for more than its first run is not captured") {
  const auto device = small_device(64);
  const Tensor sum = Tensor::zeros(*device, {1}, DType::f32);
  GraphCache cache(*device);
  int64_t calls = 0;
  const auto step = [&] {
    return cache.run("step", {sum}, [&](const std::vector<Tensor>&) {
      const Tensor room = megabytes(*device, ++calls == 3 ? 40 : 2);  // the third is the one to be captured
      sum.copy_from(ops::add(sum, Tensor::zeros(*device, {1}, DType::f32)));
    });
  };
  for (int i = 0; i < 4; ++i) CHECK(step() == Ran::direct);
  CHECK(cache.note() == "a step cannot be captured as a graph: memory is allocated in the middle of it");
  CHECK(calls == 5);  // once more than asked for: as it stands after the capture failed
}

TEST_CASE("short of memory: what the driver set aside in pieces is given back before a request fails") {
  // An accelerator that keeps released memory in pieces, as a pool of a GPU may: 16 MB in all.
  struct Pieces final : Accelerator {
    std::unique_ptr<Accelerator> inner = make_emulator(1, size_t{64} << 20);
    size_t unused = 0;
    bool gave_back = false;
    const AcceleratorInfo& info() const override { return inner->info(); }
    void attach(Ctx& ctx) override { inner->attach(ctx); }
    void* allocate(size_t bytes) override {
      if (bytes > (size_t{16} << 20) - unused) return nullptr;
      return inner->allocate(bytes);
    }
    void release(void* block) override {
      unused = size_t{12} << 20;
      inner->release(block);
    }
    void give_back_unused() override {
      unused = 0;
      gave_back = true;
    }
    size_t held_bytes() const override { return inner->held_bytes(); }
    void upload(void* to, const void* from, size_t n) override { inner->upload(to, from, n); }
    void download(void* to, const void* from, size_t n) override { inner->download(to, from, n); }
    void copy(void* to, const void* from, size_t n) override { inner->copy(to, from, n); }
    void zero(void* to, size_t n) override { inner->zero(to, n); }
    void wait() override { inner->wait(); }
    void begin_capture() override { inner->begin_capture(); }
    std::unique_ptr<CapturedWork> end_capture() override { return inner->end_capture(); }
    void abandon_capture() override { inner->abandon_capture(); }
    bool capturing() const override { return inner->capturing(); }
    size_t mark() override { return inner->mark(); }
    double ms_between(size_t from, size_t to) override { return inner->ms_between(from, to); }
    void clear_marks() override { inner->clear_marks(); }
  };
  auto owned = std::make_unique<Pieces>();
  Pieces& pieces = *owned;
  Context device(1, std::move(owned));
  megabytes(device, 8);
  CHECK_FALSE(pieces.gave_back);
  megabytes(device, 8);
  CHECK(pieces.gave_back);
  CHECK_THROWS_WITH_AS(megabytes(device, 17), doctest::Contains("out of memory"), Error);
}

}  // namespace
