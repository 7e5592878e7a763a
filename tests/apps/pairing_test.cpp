// Methods run with the same seed are paired: same A, same head, same batches in the same order, same dropout masks.
#include <doctest/doctest.h>

#include <cmath>

#include "tests/apps/program.h"

using namespace lowland::test;

namespace {

// Steps too small to move anything, so that each logged loss shows the batch and its masks.
std::vector<std::string> still_flags(const std::string& method, const std::string& out) {
  std::vector<std::string> flags = finetune_flags(method, out);
  for (const char* f : {"--lr", "1e-30", "--rho", "1e-30", "--logging-steps", "1"}) flags.emplace_back(f);
  return flags;
}

std::vector<double> losses(const std::string& run) {
  std::vector<double> out;
  for (const auto& line : read_metrics(run))
    for (const char* key : {"loss", "loss_perturbed"})
      if (line.contains(key)) out.push_back(line.at(key));
  return out;
}

}  // namespace

TEST_CASE("same seed, same start, batches and masks for every method") {
  const TestFolder w;
  REQUIRE(run_program(still_flags("lora", w / "lora")).exit_code == 0);
  const std::vector<double> reference = losses(w / "lora");
  REQUIRE(reference.size() == 24);
  for (const char* method : {"eflat-lora", "flat-lora", "lora-sam", "bi-lora", "lora-nbar", "msam"}) {
    CAPTURE(method);
    REQUIRE(run_program(still_flags(method, w / method)).exit_code == 0);
    const std::vector<double> other = losses(w / method);
    REQUIRE(other.size() == reference.size());
    for (size_t i = 0; i < other.size(); ++i) CHECK(std::abs(other[i] - reference[i]) <= 1e-6);
    // lr and rho leave nothing but the start: the same bits.
    CHECK(read_text(w / "lora/adapter/adapter_model.safetensors") ==
          read_text((w / method) + "/adapter/adapter_model.safetensors"));
  }
}

TEST_CASE("another seed is another run") {
  const TestFolder w;
  std::vector<std::string> flags = still_flags("lora", w / "other");
  for (const char* f : {"--seed", "8"}) flags.emplace_back(f);
  REQUIRE(run_program(still_flags("lora", w / "lora")).exit_code == 0);
  REQUIRE(run_program(flags).exit_code == 0);
  CHECK(losses(w / "lora") != losses(w / "other"));
}

TEST_CASE("evaluating and probing during a run changes nothing") {
  const TestFolder w;
  std::vector<std::string> flags = finetune_flags("eflat-lora", w / "watched");
  for (const char* f : {"--eval-steps", "1", "--sharpness-steps", "2"}) flags.emplace_back(f);
  REQUIRE(run_program(finetune_flags("eflat-lora", w / "plain")).exit_code == 0);
  REQUIRE(run_program(flags).exit_code == 0);
  CHECK(read_text(w / "plain/adapter/adapter_model.safetensors") ==
        read_text(w / "watched/adapter/adapter_model.safetensors"));
}

TEST_CASE("every probe during a run is logged, and the run ends with the bits of one without") {
  const TestFolder w;
  std::vector<std::string> flags = finetune_flags("eflat-lora", w / "watched");
  for (const char* f : {"--probe-every", "10", "--probe", "sharpness,estimate,average,ema-gap,balance,hessian,trace"})
    flags.emplace_back(f);
  must(run_program(finetune_flags("eflat-lora", w / "plain")));
  must(run_program(flags));
  CHECK(read_text(w / "plain/adapter/adapter_model.safetensors") ==
        read_text(w / "watched/adapter/adapter_model.safetensors"));
  int64_t probed = 0;
  for (const auto& line : read_metrics(w / "watched")) {
    if (!line.contains("hessian_trace")) continue;
    ++probed;
    for (const char* key : {"sharpness", "estimate_sharpness", "cosine", "average_sharpness", "ema_gap", "ema_cosine",
                            "ema_relative_norm", "hessian_top"})
      CHECK(line.at(key).is_number());
    CHECK(line.at("adapters").size() == 4);
    CHECK(line.at("adapters")[0].contains("perturbation_norm"));
  }
  CHECK(probed == 3);  // of 24 steps: 10, 20 and the last
  flags.back() = "sharpness,slope";
  flags[flags.size() - 3] = "5";
  CHECK(run_program(flags).err.find("probe must be") != std::string::npos);
}

TEST_CASE("accumulation: 4 x 2 trains as 8 x 1") {
  const TestFolder w;
  std::vector<std::string> flags = finetune_flags("lora", w / "accumulated");
  for (const char* f : {"--batch-size", "2", "--grad-accum", "4"}) flags.emplace_back(f);
  REQUIRE(run_program(finetune_flags("lora", w / "plain")).exit_code == 0);
  REQUIRE(run_program(flags).exit_code == 0);
  const std::vector<double> a = losses(w / "plain"), b = losses(w / "accumulated");
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) <= 1e-4);
}
