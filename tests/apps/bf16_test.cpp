// --dtype bf16 on the CPU, by the way that any CPU can go (LL_CPU_BF16=1): methods, verbs, resume.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "apps/settings/settings.h"
#include "engine/error.h"
#include "engine/io/safetensors.h"
#include "kernels/common/environment.h"
#include "optim/methods.h"
#include "tests/apps/program.h"
#include "tests/apps/same_run.h"

using namespace lowland;
using namespace lowland::test;
using nlohmann::json;

namespace {

// For the programs that a test starts.
struct Bf16Anywhere {
  Bf16Anywhere() { environment::kCpuBf16.set("1"); }
  ~Bf16Anywhere() { environment::kCpuBf16.set(before); }
  Bf16Anywhere(const Bf16Anywhere&) = delete;
  Bf16Anywhere& operator=(const Bf16Anywhere&) = delete;
  const std::string before = environment::kCpuBf16.value();
};

std::vector<std::string> flags_of(const std::string& method, const std::string& out,
                                  const std::vector<std::string>& more) {
  std::vector<std::string> flags = finetune_flags(method, out);
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

}  // namespace

TEST_CASE("bf16 on the CPU: where nobody multiplies it the refusal names what saves the memory; auto stays f32") {
  apps::SystemSettings system;
  CHECK(system.dtype_on_cpu(CpuBf16::none) == DType::f32);
  CHECK(system.dtype_on_cpu(CpuBf16::native) == DType::f32);
  CHECK(system.faster_dtype(CpuBf16::native).find("--dtype bf16") != std::string::npos);
  CHECK(system.faster_dtype(CpuBf16::none).empty());
  CHECK(system.faster_dtype(CpuBf16::converted).empty());
  system.dtype = "f32";
  CHECK(system.faster_dtype(CpuBf16::native).empty());
  system.dtype = "bf16";
  CHECK(system.dtype_on_cpu(CpuBf16::native) == DType::bf16);
  CHECK(system.dtype_on_cpu(CpuBf16::converted) == DType::bf16);
  CHECK(system.faster_dtype(CpuBf16::native).empty());
  CHECK_THROWS_WITH_AS(
      system.dtype_on_cpu(CpuBf16::none),
      "--dtype bf16: this processor has no instructions for bf16 (avx512_bf16 or AMX); --weights-dtype bf16 keeps "
      "frozen weights in half the memory and computes in f32",
      Error);
}

TEST_CASE("bf16 on the CPU: every method's losses stay near those of f32, and what is written is f32") {
  const Bf16Anywhere any;
  const TestFolder w;
  for (const std::string& method : optim::method_names()) {
    CAPTURE(method);
    std::vector<double> losses[2];
    for (const bool narrow : {false, true}) {
      const std::string out = w / (method + (narrow ? "16" : "32"));
      must(run_program(flags_of(
          method, out,
          {"--max-steps", "3", "--logging-steps", "1", "--save-steps", "100", "--dtype", narrow ? "bf16" : "f32"})));
      for (const json& line : read_metrics(out))
        for (const char* name : {"loss", "loss_perturbed"})  // eflat-lora knows the second only
          if (line.contains(name)) losses[narrow].push_back(line.at(name).get<double>());
    }
    REQUIRE(losses[0].size() == losses[1].size());
    REQUIRE(losses[0].size() >= 3);
    // Logits of a two-class task, rounded by 2^-8 a few times on the way.
    for (size_t i = 0; i < losses[0].size(); ++i) CHECK(std::abs(losses[1][i] - losses[0][i]) <= 0.02);
  }
}

TEST_CASE("bf16 on the CPU: a killed run resumes to the same bits, and the verbs take the run") {
  const Bf16Anywhere any;
  const TestFolder w;
  const std::vector<std::string> narrow = {"--dtype", "bf16", "--sharpness-steps", "5"};
  must(run_program(flags_of("eflat-lora", w / "whole", narrow)));
  run_until(w / "killed/checkpoint-6", flags_of("eflat-lora", w / "killed", narrow), run_program);
  must(run_program({"finetune", "--out", w / "killed", "--resume"}));
  CHECK(run_difference(w / "whole", w / "killed") == "");
  const SafetensorsFile adapter(w / "whole/adapter/adapter_model.safetensors");
  for (const TensorInfo& t : adapter.tensors()) CHECK(t.dtype == "F32");
  const json in_bf16 = json::parse(must(run_program({"evaluate", "--run", w / "whole", "--dtype", "bf16"})).out);
  const json in_f32 = json::parse(must(run_program({"evaluate", "--run", w / "whole", "--dtype", "f32"})).out);
  CHECK(std::abs(in_bf16.at("eval_loss").get<double>() - in_f32.at("eval_loss").get<double>()) <= 0.02);
  const json probed = json::parse(must(run_program({"probe", "--run", w / "whole", "--dtype", "bf16"})).out);
  CHECK(probed.at("sharpness").is_number());
}
