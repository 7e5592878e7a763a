// The engine on a device: the emulated one (tests/emulator.h), or a GPU where LL_TEST_DEVICE=cuda. Nothing on the
// host reads device memory or counts on work being done when a call returns, and captured steps give what direct ones
// give.
#include <doctest/doctest.h>

#include "apps/train/step.h"
#include "engine/autograd.h"
#include "engine/device/compare.h"
#include "engine/device/device_allocator.h"
#include "engine/error.h"
#include "engine/graph.h"
#include "engine/launch.h"
#include "kernels/attention.h"
#include "kernels/elementwise.h"
#include "models/roberta/roberta.h"
#include "tests/emulator.h"
#include "tests/ops/harness.h"
#ifdef LL_CUDA_BACKEND
#include "kernels/cuda/nccl.h"
#endif

using namespace lowland;
using namespace lowland::test;

namespace {

std::unique_ptr<Context> a_device() {
  return test_device() == "cuda" ? make_test_context(2) : std::make_unique<Context>(2, make_emulator(2));
}

TEST_CASE("device tensors: what goes in comes out, in every type") {
  const auto device = a_device();
  Context host;
  const std::vector<float> values = {1.5f, -2.25f, 0, 1e-3f, 77};
  const Tensor x = Tensor::from(*device, {5}, values);
  CHECK(x.to_vector<float>() == values);
  CHECK(x.clone().to_vector<float>() == values);
  CHECK(x.to(DType::f64).to(DType::f32).to_vector<float>() == values);
  CHECK(x.to(DType::bf16).to(DType::f32).to_vector<float>()[1] == -2.25f);
  CHECK(x.slice_rows(1, 2).item() == -2.25);
  x.fill_zero();
  CHECK(x.to_vector<float>() == std::vector<float>(5, 0.0f));
  x.assign<double>({1, 2, 3, 4, 5});
  const Tensor y = Tensor::zeros(host, {5}, DType::f64);
  y.copy_from(x);
  CHECK(y.to_vector<double>() == std::vector<double>{1, 2, 3, 4, 5});
  x.copy_from(Tensor::from<double>(host, {5}, {5, 4, 3, 2, 1}));
  CHECK(x.to_vector<float>() == std::vector<float>{5, 4, 3, 2, 1});
  CHECK(describe(x) == "(5) f32 cuda:0");
}

TEST_CASE("device tensors: indices are kept on the host as well") {
  const auto device = a_device();
  const Tensor all = Tensor::from<int32_t>(*device, {6}, {5, 4, 3, 2, 1, 0});
  CHECK(all.host()[0] == 5);
  CHECK(all.slice_rows(4, 6).host()[0] == 1);
  CHECK(all.clone().host()[5] == 0);
  const Tensor other = Tensor::zeros(*device, {6}, DType::i32);
  CHECK(other.host()[3] == 0);
  other.copy_from(all);
  CHECK(other.host()[3] == 2);
  other.copy_from(Tensor::from<float>(*device, {6}, std::vector<float>(6, 9)));  // made by a kernel
  CHECK_THROWS_WITH_AS(other.host(), "indices must come from the host, (6) i32 cuda:0 was made on the device", Error);
}

TEST_CASE("device allocator: accounting, and a step's blocks lie where they lay") {
  const auto device = a_device();
  DeviceAllocator& memory = *device->device_memory();
  const size_t before = memory.live_bytes();
  {
    const Tensor t = Tensor::empty(*device, {1000}, DType::f32);
    CHECK(memory.live_bytes() == before + 4096);
  }
  CHECK(memory.live_bytes() == before);
  std::vector<void*> first;
  size_t needed = 0;
  for (int round = 0; round < 3; ++round) {
    std::vector<void*> seen;
    memory.begin_work();
    {
      const Tensor a = Tensor::empty(*device, {300}, DType::f32);
      {
        const Tensor b = Tensor::empty(*device, {5000}, DType::f32);
        seen.push_back(b.raw());
      }
      const Tensor c = Tensor::empty(*device, {100}, DType::f32);
      seen.push_back(a.raw());
      seen.push_back(c.raw());
      CHECK(memory.work_blocks() == 2);
    }
    needed = memory.end_work();
    if (round == 0) CHECK(memory.grow_arena(needed) == false);
    if (round == 1) first = seen;
    if (round == 2) CHECK(seen == first);
  }
  CHECK(needed == 1280 + 20224);
  CHECK(memory.grow_arena(2 * needed) == true);
  CHECK(memory.live_bytes() == before);
}

TEST_CASE("device allocator: out of memory says what was asked, what is held and in which phase") {
  const auto device = a_device();
  const Tensor held = Tensor::empty(*device, {1 << 20}, DType::f32);
  const PhaseScope phase(device->memory(), "forward");
  CHECK_THROWS_WITH_AS(Tensor::empty(*device, {int64_t{1} << 40}, DType::f32),
                       doctest::Contains("asked for 4398046.5 MB in phase forward with 4.2 MB held"), Error);
}

TEST_CASE("ops on a device: indices are checked before anything is launched") {
  const auto device = a_device();
  const Tensor table = Tensor::zeros(*device, {4, 8}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::embedding(Tensor::from<int32_t>(*device, {2}, {0, 4}), table),
                       "[embedding] id 4 at row 1 is outside [0, 4)", Error);
}

TEST_CASE("emulated device: a kernel that is given an address of the host is refused") {
  Context device(2, make_emulator(2));
  const Tensor x = Tensor::zeros(device, {4}, DType::f32);
  std::vector<float> mine(4);
  CHECK_THROWS_WITH_AS(LL_LAUNCH_MASTER(x, add_into, x.data<T>(), reinterpret_cast<const T*>(mine.data()), 4),
                       "[add_into] is given an address of the host's memory", Error);
#if defined(__GNUC__) && !defined(__clang__)
  AttentionShape shape;
  const std::vector<int32_t> bounds = {0, 4};
  shape.cu_k = bounds.data();
  CHECK_THROWS_WITH_AS(
      LL_LAUNCH_MASTER(x, attention_forward, RowView<T>{x.data<T>(), 4}, nullptr, AttentionInputs<T>{}, shape),
      "[attention_forward] is given an address of the host's memory", Error);
#endif
}

TEST_CASE("graphs: direct, captured and replayed work give the same, also after the arena moves") {
  const auto device = a_device();
  GraphCache cache(*device);
  const Tensor sum = Tensor::zeros(*device, {3}, DType::f32);
  using Ran = GraphCache::Ran;
  const auto add = [&](float v, int64_t filler) {
    return cache.run(std::to_string(filler), {Tensor::from<float>(*device, {3}, {v, 2 * v, 3 * v})},
                     [&](const std::vector<Tensor>& in) {
                       const Tensor room = Tensor::empty(*device, {filler}, DType::f32);
                       const Tensor twice = ops::scale(in[0], 2);
                       sum.copy_from(ops::add(sum, twice));
                     });
  };
  CHECK(add(0, 7) == Ran::direct);
  CHECK(add(1, 10) == Ran::direct);
  CHECK(add(10, 10) == Ran::captured);
  CHECK(add(100, 10) == Ran::replayed);
  CHECK(add(1000, 100000) == Ran::direct);
  CHECK(add(1000, 100000) == Ran::captured);  // the arena grows: the first graph is gone
  CHECK(cache.graphs() == 1);
  CHECK(add(1000, 10) == Ran::captured);
  CHECK(add(1000, 10) == Ran::replayed);
  CHECK(add(1000, 100000) == Ran::replayed);
  CHECK(sum.to_vector<float>() == std::vector<float>{10222, 20444, 30666});
  CHECK(cache.note().empty());
}

TEST_CASE("graphs: at most 64 are kept") {
  const auto device = a_device();
  GraphCache cache(*device);
  const Tensor x = Tensor::zeros(*device, {4}, DType::f32);
  for (int round = 0; round < 3; ++round)
    for (int i = 0; i < 72; ++i)
      cache.run(std::to_string(i), {x}, [](const std::vector<Tensor>& in) { ops::scale(in[0], 2); });
  CHECK(cache.graphs() == GraphCache::kMost);
  const auto again = [&](int i) {
    return cache.run(std::to_string(i), {x}, [](const std::vector<Tensor>& in) { ops::scale(in[0], 2); });
  };
  CHECK(again(71) == GraphCache::Ran::replayed);
  CHECK(again(8) == GraphCache::Ran::replayed);  // the oldest of those that are kept
  CHECK(again(7) == GraphCache::Ran::captured);  // gone; and now that of 9 is
  CHECK(again(8) == GraphCache::Ran::replayed);
  CHECK(again(9) == GraphCache::Ran::captured);
}

TEST_CASE("graphs: work that the host takes part in runs as it stands, and the cache says why") {
  const auto device = a_device();
  GraphCache cache(*device);
  const Tensor x = Tensor::from<float>(*device, {1}, {3});
  double seen = 0;
  for (int i = 0; i < 4; ++i)
    CHECK(cache.run("reads", {x}, [&](const std::vector<Tensor>& in) { seen += ops::scale(in[0], 2).item(); }) ==
          GraphCache::Ran::direct);
  CHECK(seen == 24);
  CHECK(cache.note() == "a step cannot be captured as a graph: the host asks for numbers in the middle of it");
  Tensor kept;
  for (int i = 0; i < 2; ++i)
    cache.run("keeps", {x}, [&](const std::vector<Tensor>& in) { kept = ops::scale(in[0], 2); });
  CHECK(kept.item() == 6);
  CHECK(cache.note() == "steps are not captured as graphs: one of them leaves tensors behind");
}

TEST_CASE("graphs: a step whose backward cannot be captured runs as it stands, with its gradients") {
  const auto device = a_device();
  GraphCache cache(*device);
  const Tensor x = Tensor::from<float>(*device, {1}, {2});
  Tensor w = Tensor::from<float>(*device, {1}, {3});
  w.set_grad_buffer(Tensor::zeros(*device, {1}, DType::f32));
  double seen = 0;
  for (int i = 0; i < 4; ++i)
    cache.run("backward", {x}, [&](const std::vector<Tensor>& in) {
      const Tensor y = ops::mul(w, in[0]);
      Tensor z = y.clone();
      device->tape().record("reads", z, [y, &seen](Tensor dy) {
        seen += dy.item();
        give(y, std::move(dy));
      });
      device->tape().backward(z);
    });
  CHECK(seen == 4);
  CHECK(w.grad().item() == 8);
  CHECK(cache.note() == "a step cannot be captured as a graph: the host asks for numbers in the middle of it");
}

TEST_CASE("LL_COMPARE: reports the largest error of each kernel") {
  // The emulated device's memory is closed to the host, so the comparison runs over memory that is not.
  std::string report;
  {
    Context host;
    struct Open final : Accelerator {
      AcceleratorInfo about;
      const AcceleratorInfo& info() const override { return about; }
      void attach(Ctx&) override {}
      void* allocate(size_t bytes) override { return std::aligned_alloc(256, (bytes + 255) / 256 * 256); }
      void release(void* block) override { std::free(block); }
      size_t held_bytes() const override { return 0; }
      void upload(void* to, const void* from, size_t n) override { std::memcpy(to, from, n); }
      void download(void* to, const void* from, size_t n) override { std::memcpy(to, from, n); }
      void copy(void* to, const void* from, size_t n) override { std::memcpy(to, from, n); }
      void zero(void* to, size_t n) override { std::memset(to, 0, n); }
      void wait() override {}
      void begin_capture() override {}
      std::unique_ptr<CapturedWork> end_capture() override { return nullptr; }
      void abandon_capture() override {}
      bool capturing() const override { return false; }
      size_t mark() override { return 0; }
      double ms_between(size_t, size_t) override { return 0; }
      void clear_marks() override {}
    } device;
    DeviceAllocator memory(device);
    auto* y = static_cast<float*>(memory.allocate(4 * sizeof(float)));
    memory.note_type(y, DType::f32);
    std::fill(y, y + 4, 0.0f);
    const auto compare = make_compare_always(device, memory, host.kernels(), &report);
    const auto launch = [&](const char* name, float device_1, float device_2, float cpu_1, float cpu_2) {
      const auto write = [=](float first, float second) { return [=](Ctx&) { y[1] = first, y[2] = second; }; };
      compare->launch(host.kernels(), name, write(device_1, device_2), write(cpu_1, cpu_2));
    };
    for (int i = 0; i < 2; ++i) launch("wrong", 2.5f, 1, 2, 1);
    CHECK(y[1] == 2.5f);  // the device's result stays
    launch("a NaN", NAN, 2, 3, 2);
    launch("a NaN of the CPU", 4, 3, NAN, 3);
    launch("infinite in both", INFINITY, 2.5f, INFINITY, 2);
    launch("NaN in both", NAN, 4, -NAN, 4);
    compare->launch(
        host.kernels(), "one of the two", [](Ctx&) {}, [&](Ctx&) { y[3] = 4; });
    CHECK(y[3] == 0);
    memory.release(y);
  }
  CHECK(report == R"(LL_COMPARE                           launches compared   abs. error   rel. error
NaN in both                                 1        1     0.00e+00     0.00e+00
a NaN                                       1        1          inf          inf
a NaN of the CPU                            1        1          inf          inf
infinite in both                            1        1     5.00e-01     2.50e-01
one of the two                              1        1     4.00e+00     1.00e+00
wrong                                       2        2     5.00e-01     2.50e-01
)");
}

// --- a whole model

RobertaConfig tiny() {
  RobertaConfig c;
  c.vocab_size = 50;
  c.hidden_size = 16;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 2;
  c.intermediate_size = 32;
  c.max_position_embeddings = 130;
  return c;
}

apps::PackedBatch batch_of(Context& context, int64_t step) {
  std::vector<nn::Segment> segments;
  std::vector<int32_t> labels;
  for (int64_t s = 0; s < 5; ++s) {
    nn::Segment segment{{}, s, {0}};
    const int64_t length = 3 + static_cast<int64_t>(mix64(static_cast<uint64_t>(step * 5 + s)) % 20);
    for (int64_t i = 0; i < length; ++i) segment.ids.push_back(static_cast<int32_t>((step * 7 + s * 3 + i) % 50));
    segments.push_back(std::move(segment));
    labels.push_back(static_cast<int32_t>((s + step) % 2));
  }
  return apps::pack_batch(context, segments, labels);
}

// Losses of some steps with dropout everywhere, two micro-batches each, and the values at the end.
std::pair<std::vector<double>, std::vector<float>> train(Context& context, const std::string& name, bool graphs,
                                                         size_t* captured = nullptr,
                                                         dist::Communicator* ranks = nullptr) {
  Roberta model(tiny(), RobertaHead::classification);
  nn::LoraConfig lora;
  lora.rank = 4;
  lora.dropout = 0.1;
  lora.targets = [](const std::string& m) { return m.find("query") != m.npos || m.find("value") != m.npos; };
  model.attach_lora(lora);
  model.train([](const std::string& n) { return n.rfind("classifier.", 0) == 0; });
  model.materialise(context, DType::f32);
  model.parameters().initialise(1, 0.2, [](const std::string&) { return true; });
  model.initialise_adapters(1);
  const auto method = optim::make_method(name, model.arena(), {});
  const auto loss = [&](const apps::PackedBatch& b, const nn::Mode& mode, double scale) {
    CrossEntropyOptions options;
    options.scale = scale;
    return ops::cross_entropy(model.forward(b.rows, mode), b.targets, options);
  };
  apps::TrainingStep training(model, *method, loss, graphs);
  if (ranks != nullptr) training.share(*ranks, false);
  std::vector<double> losses;
  for (int64_t step = 0; step < 8; ++step) {
    training.run({batch_of(context, 2 * step), batch_of(context, 2 * step + 1)},
                 {.index = step, .lr = 1e-2, .rho = 0.05, .seed = 7});
    losses.push_back(method->stats().loss);
  }
  CHECK(training.graphs().note() == "");
  if (captured != nullptr) *captured = training.graphs().graphs();
  return {losses, model.arena().values().to_vector<float>()};
}

TEST_CASE("a training run on a device: with graphs, without them and on the CPU") {
  for (const std::string name : {"lora", "eflat-lora", "flat-lora", "lora-sam", "bi-lora", "msam", "lora-mgpo",
                                 "flat-lora-random", "lora-functional-sam"}) {
    CAPTURE(name);
    const auto one = a_device(), two = a_device();
    Context host({}, 2);
    size_t captured = 0;
    const auto with = train(*one, name, true, &captured), without = train(*two, name, false);
    CHECK((captured > 0) == !optim::method_row(name).keeps_loss_gradients);
    CHECK(with.first == without.first);  // bit for bit
    CHECK(with.second == without.second);
    const auto cpu = train(host, name, false);
    for (size_t i = 0; i < cpu.first.size(); ++i) CHECK(with.first[i] == doctest::Approx(cpu.first[i]).epsilon(1e-4));
  }
}

#ifdef LL_CUDA_BACKEND
// Of two processes as far as the host knows, which has nobody to talk to.
struct HalfOfTwo final : dist::Communicator {
  HalfOfTwo() : Communicator({0, 2, 0, 1}, 60) {}
};

#endif

TEST_CASE("nccl: one process with itself" * doctest::skip(test_device() != "cuda")) {
#ifdef LL_CUDA_BACKEND
  const auto device = make_test_context(2);
  REQUIRE(cuda::why_no_nccl() == "");
  const auto make = [&] { return cuda::make_nccl(cuda::nccl_id(), 0, 1, device->kernels()); };
  const auto nccl = make();
  const std::vector<float> values = {1.5f, -2.25f, 0, 1e-3f, 77};
  const Tensor x = Tensor::from(*device, {5}, values), all = Tensor::zeros(*device, {5}, DType::f32);
  nccl->all_reduce(x.raw(), 5, DType::f32);
  nccl->broadcast(x.raw(), 20);
  const uint64_t first = nccl->start_gather(all.raw(), x.raw(), 20);
  nccl->finish_gather(first);
  CHECK(all.to_vector<float>() == values);
  CHECK(x.to_vector<float>() == values);
  CHECK(nccl->done(nccl->mark()));
  // Training with its sums, between graphs and without them, is what it is without them.
  HalfOfTwo ranks;
  ranks.use(make(), "NCCL");
  for (const std::string name : {"eflat-lora", "flat-lora"}) {
    CAPTURE(name);
    size_t captured = 0;
    const auto alone = train(*device, name, true), summed = train(*device, name, true, &captured, &ranks);
    CHECK(captured > 0);
    CHECK(alone == summed);
    CHECK(train(*device, name, false, nullptr, &ranks) == alone);
  }
#endif
}

}  // namespace
