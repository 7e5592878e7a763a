// The meta device calls itself what it is, and counts as the device does that it stands for.
#include "engine/device/meta_device.h"

#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/device/device_allocator.h"
#include "engine/ops/ops.h"
#include "tests/emulator.h"

using namespace lowland;

namespace {

// What a small step holds: live bytes after each tensor, and the peak.
std::vector<size_t> step_bytes(Context& context) {
  std::vector<size_t> bytes;
  Tensor w = Tensor::zeros(context, {7, 5}, DType::f32);  // (out, in)
  w.set_requires_grad();
  const Tensor x = Tensor::zeros(context, {3, 5}, DType::f32);  // (N, in)
  const Tensor y = ops::linear(x, w, Tensor());                 // (N, out)
  bytes.push_back(context.memory().live_bytes());
  const Tensor z = ops::gelu(y);  // (N, out)
  bytes.push_back(context.memory().live_bytes());
  context.tape().backward_to(0, z, Tensor::zeros(context, {3, 7}, DType::f32));
  bytes.push_back(context.memory().live_bytes());
  bytes.push_back(context.memory().peak_bytes());
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
    AcceleratorInfo h200;
    h200.name = "H200";
    h200.sm = 90;
    h200.has_bf16 = h200.captures = yes;
    h200.alignment = 512;
    Context gpu(2, test::make_emulator(2, size_t{1} << 30, h200));
    Context meta(2, make_meta_device(gpu.accelerator()));
    CHECK(meta.device().name() == "meta");
    CHECK(gpu.device().name() == "cuda:0");
    CHECK(meta.captures_steps() == yes);
    const AcceleratorInfo& info = meta.accelerator()->info();
    CHECK(info.name == "H200");
    CHECK(info.sm == 90);
    CHECK(info.has_bf16 == yes);
    CHECK(info.alignment == 512);
    CHECK(info.total_bytes == size_t{1} << 30);
    CHECK(step_bytes(meta) == step_bytes(gpu));
  }
}
