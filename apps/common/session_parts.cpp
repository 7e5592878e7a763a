#include "apps/common/session_parts.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/common/run_folder.h"
#include "engine/error.h"
#include "kernels/common/accelerator.h"

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
    fill(&Settings::weights_dtype, run.weights_dtype);  // the numbers that the adapter was trained beside
  }
  fill(&Settings::data, run.data);
  fill(&Settings::task, run.task);
  fill(&Settings::train_files, run.train_files);
  fill(&Settings::dev_file, run.dev_file);
  fill(&Settings::test_file, run.test_file);
  fill(&Settings::tokenizer, run.tokenizer);
  fill(&Settings::chat_template, run.chat_template);
  for (const auto member : {&Settings::image_dir, &Settings::instruction, &Settings::scienceqa_format})
    fill(member, run.*member);
  fill(&Settings::prompt_style, run.prompt_style);
  for (const auto member : {&Settings::text_column, &Settings::text_pair_column, &Settings::label_column})
    fill(member, run.*member);
  fill(&Settings::dev_fraction, run.dev_fraction);
  for (const auto member : {&Settings::max_length, &Settings::seed}) fill(member, run.*member);
}

namespace {

// cpu, cuda or cuda:N.
Device named_device(const std::string& name) {
  if (name == "cpu") return {};
  const std::string number = name.size() > 5 ? name.substr(5) : "0";
  const bool good = name == "cuda" || (name.rfind("cuda:", 0) == 0 && number.size() <= 3 &&
                                       number.find_first_not_of("0123456789") == std::string::npos);
  LL_CHECK(good, "--device must be auto, cpu, cuda or cuda:N, got {}", name);
  return {DeviceType::cuda, std::stoi(number)};
}

}  // namespace

std::unique_ptr<Context> make_context(const Settings& s) {
  const Device gpu{DeviceType::cuda, 0};
  const Device device = s.device == "auto" ? (why_unusable(gpu).empty() ? gpu : Device{}) : named_device(s.device);
  LL_CHECK(s.dtype == "auto" || s.dtype == "f32" || s.dtype == "bf16", "--dtype must be auto, f32 or bf16, got {}",
           s.dtype);
  LL_CHECK(s.threads >= 0 && s.threads <= 4096, "--threads must be 0 (all cores) or a number of threads, got {}",
           s.threads);
  const std::string why = why_unusable(device);
  LL_CHECK(why.empty(), "--device {}: {}", s.device, why);
  LL_CHECK(s.dtype != "bf16" || device.type == DeviceType::cuda, "--dtype bf16: the CPU computes in f32");
  auto context = std::make_unique<Context>(device, static_cast<int>(s.threads));
  if (context->accelerator() != nullptr) context->accelerator()->allow_tf32(s.tf32);
  compute_dtype(s, *context);
  return context;
}

DType compute_dtype(const Settings& s, const Context& context) {
  const Accelerator* gpu = context.accelerator();
  const bool bf16 = gpu != nullptr && gpu->info().has_bf16;
  LL_CHECK(s.dtype != "bf16" || bf16, "--dtype bf16: {} has no bf16 arithmetic, use f32",
           gpu == nullptr ? "the CPU" : gpu->info().name);
  return bf16 && s.dtype != "f32" ? DType::bf16 : DType::f32;
}

DType weights_dtype(const Settings& s, const Context& context) {
  LL_CHECK(s.weights_dtype == "auto" || s.weights_dtype == "f32" || s.weights_dtype == "bf16",
           "--weights-dtype must be auto, f32 or bf16, got {}", s.weights_dtype);
  if (compute_dtype(s, context) == DType::bf16) return DType::bf16;
  return s.weights_dtype == "bf16" ? DType::bf16 : DType::f32;
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
