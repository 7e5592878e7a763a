#include "apps/common/session_parts.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/common/run_folder.h"
#include "engine/error.h"

namespace lowland::apps {
namespace fs = std::filesystem;

void take_run(Settings& s, int64_t default_length) {
  if (s.run.empty()) return;
  const Settings run = read_run_settings(s.run);
  Settings defaults;
  defaults.max_length = default_length;
  const auto fill = [&](auto member, const auto& theirs) {
    if (s.*member == defaults.*member) s.*member = theirs;
  };
  const fs::path path(s.run);
  if (run.method == "full") {
    fill(&Settings::model, (path / "model").string());
  } else {
    fill(&Settings::model, run.model);
    fill(&Settings::adapter, (path / "adapter").string());
  }
  fill(&Settings::data, run.data);
  fill(&Settings::task, run.task);
  fill(&Settings::train_files, run.train_files);
  fill(&Settings::dev_file, run.dev_file);
  fill(&Settings::test_file, run.test_file);
  fill(&Settings::tokenizer, run.tokenizer);
  fill(&Settings::chat_template, run.chat_template);
  for (const auto member : {&Settings::text_column, &Settings::text_pair_column, &Settings::label_column})
    fill(member, run.*member);
  fill(&Settings::dev_fraction, run.dev_fraction);
  for (const auto member : {&Settings::max_length, &Settings::seed}) fill(member, run.*member);
}

std::unique_ptr<Context> make_context(const Settings& s) {
  const bool cuda = s.device.rfind("cuda", 0) == 0;
  LL_CHECK(cuda || s.device == "auto" || s.device == "cpu",
           "--device must be auto, cpu, cuda or cuda:N, got {}", s.device);
  LL_CHECK(!cuda, "--device {}: this build of Lowland has no CUDA backend", s.device);
  LL_CHECK(s.dtype == "auto" || s.dtype == "f32", "--dtype {}: the CPU computes in f32", s.dtype);
  LL_CHECK(s.threads >= 0 && s.threads <= 4096,
           "--threads must be 0 (all cores) or a number of threads, got {}", s.threads);
  return std::make_unique<Context>(Device{}, static_cast<int>(s.threads));
}

std::string method_json(const Settings& s) {
  nlohmann::ordered_json method;
  method["method"] = s.method;
  if (s.method == "eflat-lora" || s.method == "flat-lora" || s.method == "lora-sam") {
    method["rho"] = s.rho;
    method["rho_schedule"] = s.rho_schedule;
    if (!s.norm.empty()) method["norm"] = s.norm;
    if (s.method == "eflat-lora") method["beta"] = s.beta;
  }
  return method.dump();
}

}  // namespace lowland::apps
