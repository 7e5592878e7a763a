// What a user is told where a GPU cannot be used, or cannot do what is asked. All of it without one.
#include <doctest/doctest.h>

#include "kernels/attention.h"
#include "kernels/common/error.h"
#include "kernels/cuda/device_answers.h"

using namespace lowland;
using cuda::DeviceAnswers;
using Count = cuda::DeviceAnswers::Count;

TEST_CASE("faults: one sentence for each reason why a GPU cannot be used") {
  DeviceAnswers a;
  CHECK(cuda::why_unusable(a) == "no NVIDIA driver was found on this machine");
  a.driver = 12020;
  a.runtime = 13000;
  a.answer = Count::driver_too_old;
  CHECK(cuda::why_unusable(a) == "the NVIDIA driver is for CUDA 12.2, this build needs one for CUDA 13.0 or later");
  a.driver = 13010;
  a.answer = Count::no_device;
  CHECK(cuda::why_unusable(a) == "there is a driver but no GPU that it shows (CUDA_VISIBLE_DEVICES may hide it)");
  a.answer = Count::counted;
  CHECK(cuda::why_unusable(a) == "there is a driver but no GPU that it shows (CUDA_VISIBLE_DEVICES may hide it)");
  a.answer = Count::failed;
  a.failure = "initialization error";
  CHECK(cuda::why_unusable(a) == "the GPU cannot be used: initialization error");
  a.answer = Count::counted;
  a.count = 2;
  CHECK(cuda::why_unusable(a).empty());
  a.index = 2;
  CHECK(cuda::why_unusable(a) == "there is no cuda:2: the GPUs are cuda:0 to cuda:1");
  a.index = 1;
  a.answers = false;
  CHECK(cuda::why_unusable(a) == "cuda:1 does not answer");
  a.answers = true;
  a.fits = false;
  a.name = "Tesla T4";
  a.sm = 75;
  CHECK(cuda::why_unusable(a) ==
        "cuda:1 (Tesla T4, sm_75) is a GPU that this build has no kernels for: build with "
        "-DLOWLAND_CUDA_ARCHITECTURES=75-real");
}

#ifdef LL_CUDA_BACKEND
TEST_CASE("faults: a head that no kernel of the GPU takes is refused before anything is launched") {
  Ctx ctx;
  AttentionShape shape;
  shape.HD = 129;
  CHECK_THROWS_WITH_AS(cuda::attention_forward<float>(ctx, {}, nullptr, {}, shape),
                       "[attention] a head must have 1 to 128 columns on a GPU, got 129", Error);
  CHECK_THROWS_WITH_AS(cuda::attention_backward<bf16>(ctx, {}, {}, {}, nullptr, {}, shape),
                       "[attention] a head must have 1 to 128 columns on a GPU, got 129", Error);
}
#endif
