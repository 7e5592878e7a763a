// A run killed at any moment goes on and ends with the same files, bit for bit, as one that was left alone.
#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>

#include "kernels/common/philox.h"
#include "tests/apps/program.h"
#include "tests/apps/same_run.h"

using namespace lowland;
using namespace lowland::test;

TEST_CASE("killed at twenty random moments, each run resumes to the same bits") {
  const char* const methods[] = {"lora", "eflat-lora", "flat-lora", "lora-sam", "bi-lora", "lora-mgpo", "full"};
  for (size_t m = 0; m < std::size(methods); ++m) {
    const std::string method = methods[m];
    CAPTURE(method);
    const TestFolder w;
    const auto start = std::chrono::steady_clock::now();
    const auto flags_of = [&](const std::string& out) {
      std::vector<std::string> flags = finetune_flags(method, out);
      if (m % 2 == 1) flags.insert(flags.end(), {"--sharpness-steps", "5"});
      return flags;
    };
    const Outcome whole = run_program(flags_of(w / "whole"));
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    INFO(whole.err);
    REQUIRE(whole.exit_code == 0);
    for (uint64_t k = 0; k < 4; ++k) {
      const std::string run = w / ("killed" + std::to_string(k));
      const int moment = static_cast<int>(ms * static_cast<double>(mix64(100 * m + k) % 1000) / 1000.0);
      CAPTURE(moment);
      Outcome o = run_program(flags_of(run), {.after_ms = moment, .when = ""});
      for (int attempt = 0; o.exit_code != 0 && attempt < 2; ++attempt) {
        // Killed before the folder had settings: there is nothing to resume, and the user starts again.
        if (!std::filesystem::exists(run + "/run.json")) {
          std::vector<std::string> again = flags_of(run);
          again.push_back("--overwrite");
          o = run_program(again);
        } else {
          o = run_program({"finetune", "--out", run, "--resume"});
        }
      }
      INFO(o.err);
      REQUIRE(o.exit_code == 0);
      CHECK(run_difference(w / "whole", run) == "");
    }
  }
}

TEST_CASE("resume takes its settings from run.json and refuses flags that contradict them") {
  const TestFolder w;
  REQUIRE(run_program(finetune_flags("lora", w / "run")).exit_code == 0);
  const Outcome other = run_program({"finetune", "--out", w / "run", "--resume", "--rank", "8"});
  CHECK(other.exit_code == 1);
  CHECK(other.err == "error: --rank 8 contradicts the run that is resumed, which has 4\n");
  CHECK(run_program({"finetune", "--out", w / "run", "--resume", "--rank", "4"}).exit_code == 0);
}

TEST_CASE("the newest two checkpoints are kept") {
  const TestFolder w;
  REQUIRE(run_program(finetune_flags("eflat-lora", w / "run")).exit_code == 0);
  int count = 0;
  for (const auto& e : std::filesystem::directory_iterator(w / "run"))
    count += e.path().filename().string().rfind("checkpoint-", 0) == 0 ? 1 : 0;
  CHECK(count == 2);
  CHECK(std::filesystem::exists(w / "run/checkpoint-24/adapter_model.safetensors"));
}

TEST_CASE("config.toml reruns the run") {
  const TestFolder w;
  REQUIRE(run_program(finetune_flags("eflat-lora", w / "run")).exit_code == 0);
  const Outcome o = run_program({"finetune", "--config", w / "run/config.toml", "--out", w / "again"});
  INFO(o.err);
  REQUIRE(o.exit_code == 0);
  CHECK(run_difference(w / "run", w / "again") == "");
}
