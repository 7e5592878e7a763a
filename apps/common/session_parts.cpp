#include "apps/common/session_parts.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/common/run_folder.h"
#include "engine/error.h"

namespace lowland::apps {
namespace fs = std::filesystem;

void take_run(Settings& s) {
  if (s.run.empty()) return;
  const Settings run = read_run_settings(s.run);
  const auto fill = [](std::string& mine, const std::string& theirs) {
    if (mine.empty()) mine = theirs;
  };
  const fs::path path(s.run);
  if (run.method == "full") {
    fill(s.model, (path / "model").string());
  } else {
    fill(s.model, run.model);
    fill(s.adapter, (path / "adapter").string());
  }
  fill(s.data, run.data);
  fill(s.task, run.task);
  if (s.train_files.empty()) s.train_files = run.train_files;
  fill(s.dev_file, run.dev_file);
  fill(s.test_file, run.test_file);
  fill(s.tokenizer, run.tokenizer);
  fill(s.chat_template, run.chat_template);
  s.text_column = run.text_column;
  s.text_pair_column = run.text_pair_column;
  s.label_column = run.label_column;
  s.dev_fraction = run.dev_fraction;
  s.max_length = run.max_length;
  s.seed = run.seed;
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
