// The meta device calls itself what it is, and counts as the device does that it stands for.
#include "engine/device/meta_device.h"

#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/ops/ops.h"
#include "tests/emulator.h"

using namespace lowland;

namespace {

// What a small step of ops without scratch memory holds: live bytes before, between and after, and the peak.
std::vector<size_t> step_bytes(Context& context) {
  Tensor w = Tensor::zeros(context, {7, 5}, DType::f32);
  w.set_requires_grad();
  const Allocator& memory = context.memory();
  std::vector<size_t> bytes = {memory.live_bytes()};
  {
    const Tensor y = ops::gelu(ops::scale(w, 2));  // (7, 5)
    bytes.push_back(memory.live_bytes());
    context.tape().backward_to(0, y, Tensor::zeros_like(y));
  }
  bytes.push_back(memory.live_bytes());
  bytes.push_back(memory.peak_bytes());
  return bytes;
}

}  // namespace

TEST_CASE("meta device: it is named so, takes no memory, and what is read back is zero") {
  Context meta({DeviceType::meta}, 2);
  CHECK(meta.device().name() == "meta");
  CHECK_FALSE(meta.on_cpu());
  const Tensor x = Tensor::from<float>(meta, {3}, {1, 2, 3});
  CHECK(describe(x) == "(3) f32 meta");
  CHECK(ops::scale(x, 2).to_vector<float>() == std::vector<float>(3));
  CHECK(Tensor::empty(meta, {int64_t{1} << 50}, DType::f32).nbytes() == size_t{1} << 52);
  CHECK(meta.memory().reserved_bytes() == 0);
}

TEST_CASE("meta device: in place of the CPU it counts as the CPU does") {
  Context cpu({}, 2), meta(2, make_meta_device(cpu.accelerator()));
  CHECK_FALSE(meta.captures_steps());
  CHECK_FALSE(meta.accelerator()->info().has_bf16);
  CHECK(meta.accelerator()->info().alignment == kCpuAlignment);
  CHECK(step_bytes(meta) == step_bytes(cpu));
}

TEST_CASE("meta device: in place of a GPU it has that one's numbers, graphs and alignment") {
  for (const bool yes : {true, false}) {
    AcceleratorInfo info;
    info.name = "H200";
    info.sm = 90;
    info.has_bf16 = info.captures = yes;
    info.alignment = 512;
    Context gpu(2, test::make_emulator(2, size_t{1} << 30, info)), meta(2, make_meta_device(gpu.accelerator()));
    CHECK(meta.device().name() == "meta");
    CHECK(gpu.device().name() == "cuda:0");
    CHECK(meta.captures_steps() == yes);
    const AcceleratorInfo& of_meta = meta.accelerator()->info();
    CHECK(of_meta.name == "H200");
    CHECK(of_meta.sm == 90);
    CHECK(of_meta.has_bf16 == yes);
    CHECK(of_meta.alignment == 512);
    CHECK(of_meta.total_bytes == size_t{1} << 30);
    CHECK(step_bytes(meta) == step_bytes(gpu));
  }
}
