// LLaVA against transformers and peft: features, logits, losses, every gradient, twenty steps of training; and packed
// samples against samples alone. The references are double-precision (tests/golden/make_vlm_golden.py).
#include "models/vlm/vlm.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/safetensors_writer.h"
#include "models/hub/adapter.h"
#include "models/vlm/family.h"
#include "models/vlm/load_weights.h"
#include "models/vlm/names.h"
#include "optim/method.h"
#include "tests/models/golden.h"

using namespace lowland;
namespace fs = std::filesystem;
using test::check_gradients;
using test::Golden;
using test::host;
using test::kStored;
using test::max_abs_diff;

namespace {

const std::string kFolder = test::source_dir() + "/tests/golden/vlm_tiny/llava";

// One sample: text with image tokens, and the pictures.
struct Sample {
  std::vector<int32_t> ids, targets;
  std::vector<double> pixels;
  int64_t images = 0;
};

// What a forward pass takes.
struct Batch {
  nn::Rows rows;
  PlacedImages images;
  std::vector<int32_t> targets;  // of the selected rows
};

std::vector<Sample> samples_of(Golden& golden, const std::string& prefix, const std::string& suffix) {
  const auto ints = [&](const std::string& name) { return golden.ints(prefix + name + suffix); };
  const std::vector<int32_t> ids = ints("/ids"), cu = ints("/cu_seqlens"), targets = ints("/targets");
  const std::vector<int32_t> images = ints("/images");
  std::vector<double> pixels;
  const std::string name = prefix + "/pixels" + suffix;
  if (golden.file.contains(name)) pixels = golden.values(name);
  constexpr int64_t kPicture = 3 * 9 * 9;
  std::vector<Sample> out;
  auto next = pixels.begin();
  for (size_t s = 0; s + 1 < cu.size(); ++s) {
    Sample sample{{ids.begin() + cu[s], ids.begin() + cu[s + 1]},
                  {targets.begin() + cu[s], targets.begin() + cu[s + 1]},
                  {next, next + images[s] * kPicture},
                  images[s]};
    next += images[s] * kPicture;
    out.push_back(std::move(sample));
  }
  return out;
}

// `number`: of each sample in the step. All rows selected, or those with a target.
Batch pack_samples(Context& context, const VlmConfig& config, const std::vector<Sample>& samples,
                   const std::vector<int64_t>& number, bool all_rows = false) {
  Batch batch;
  std::vector<nn::Segment> segments;
  std::vector<int64_t> images;
  std::vector<double> pixels;
  int64_t count = 0;
  for (size_t s = 0; s < samples.size(); ++s) {
    nn::Segment segment{samples[s].ids, number[s], {}};
    for (size_t i = 0; i < samples[s].ids.size(); ++i) {
      if (!all_rows && samples[s].targets[i] < 0) continue;
      segment.select.push_back(static_cast<int32_t>(i));
      batch.targets.push_back(samples[s].targets[i]);
    }
    segments.push_back(std::move(segment));
    images.push_back(samples[s].images);
    count += samples[s].images;
    pixels.insert(pixels.end(), samples[s].pixels.begin(), samples[s].pixels.end());
  }
  batch.rows = nn::pack(context, segments);
  batch.images = place_images(context, segments, images, config);
  if (count > 0) batch.images.images.pixels = Tensor::from<double>(context, {count, 3, 9, 9}, pixels);
  return batch;
}

Batch pack_samples(Context& context, const VlmConfig& config, const std::vector<Sample>& samples,
                   bool all_rows = false) {
  std::vector<int64_t> number(samples.size());
  for (size_t i = 0; i < number.size(); ++i) number[i] = static_cast<int64_t>(i);
  return pack_samples(context, config, samples, number, all_rows);
}

Tensor loss_of(const Vlm& model, const Batch& batch, const nn::Mode& mode, double targets) {
  LinearCrossEntropyOptions options;
  options.scale = 1.0 / targets;
  const Tensor t = Tensor::from<int32_t>(model.context(), {batch.rows.K}, batch.targets);
  return model.loss(batch.rows, batch.images, t, mode, options);
}

Tensor mean_loss(const Vlm& model, const Batch& batch, const nn::Mode& mode) {
  return loss_of(model, batch, mode, static_cast<double>(batch.targets.size()));
}

void load(Vlm& model, const std::string& folder) {
  WeightMap weights = open_weights(folder, vlm_family());
  CHECK(load_weights(model, weights, 1).empty());
}

struct Trained {
  Vlm model{VlmConfig::from_folder(kFolder)};
  Trained(Context& context, DType dtype, bool recompute = false) {
    model.train([](const std::string&) { return true; });
    model.set_recompute(recompute);
    model.materialise(context, dtype);
    load(model, kFolder);
  }
};

struct Adapted {
  LoadedAdapter adapter;
  Vlm model{VlmConfig::from_folder(kFolder)};
  Adapted(Context& context, const std::string& folder, DType dtype, double dropout = 0)
      : adapter(load_adapter(folder, new_vlm_name)) {
    AdapterSettings settings = settings_of(adapter);
    settings.dropout = dropout;
    attach_adapter(model, settings, vlm_family(), &adapter);
    model.materialise(context, dtype);
    load(model, kFolder);
    fill_adapter(model, adapter);
  }
  Tensor gradient(const std::string& name) {
    const std::string prefix = "base_model.model.";
    REQUIRE(name.rfind(prefix, 0) == 0);
    return model.arena().grad(name.substr(prefix.size()));
  }
};

}  // namespace

TEST_CASE("Vlm: features, logits, loss and every gradient of full training equal transformers'") {
  Golden golden(kFolder);
  for (const DType dtype : {DType::f64, DType::f32}) {
    const bool exact = dtype == DType::f64;
    Trained t(golden.context, dtype);
    const std::vector<Sample> samples = samples_of(golden, "batch", "");
    {
      const NoGrad guard(golden.context);
      const Batch all = pack_samples(golden.context, t.model.config(), samples, true);
      const Tensor features = t.model.features(all.images.images, nn::Mode::evaluation());
      CHECK(max_abs_diff(host(t.model.project(features, all.images.ids, nn::Mode::evaluation())),
                         golden.values("projected")) <= (exact ? 1e-6 : 1e-5));  // stored in f32
      const Tensor logits = t.model.forward(all.rows, all.images, nn::Mode::evaluation());
      CHECK(max_abs_diff(host(logits), golden.values("full/logits")) <= (exact ? 1e-6 : 1e-5));
    }
    const Batch batch = pack_samples(golden.context, t.model.config(), samples);
    const Tensor loss = mean_loss(t.model, batch, {true, 0, 0});
    CHECK(std::abs(loss.item() - golden.values("full/loss")[0]) <= (exact ? 1e-10 : 1e-5));
    golden.context.tape().backward(loss);
    check_gradients(golden, "full/grad/", exact ? kStored : 1e-4,
                    [&](const std::string& n) { return t.model.parameters().find(n).grad(); });
    for (const auto& entry : t.model.parameters().named()) {
      const std::string& name = entry.first;
      INFO(name);
      CHECK(t.model.reads(name) == golden.file.contains("full/grad/" + name));
    }
  }
}

TEST_CASE("Vlm with peft adapters, of the decoder's q_proj only and of all parts: logits and gradients are peft's") {
  Golden golden(kFolder);
  for (const auto& kind : {std::pair<std::string, std::string>{"lora", "/adapter"}, {"wide", "/wide"}}) {
    const auto& run = kind.first;
    const auto& folder = kind.second;
    CAPTURE(run);
    for (const DType dtype : {DType::f64, DType::f32}) {
      const bool exact = dtype == DType::f64;
      Adapted a(golden.context, kFolder + folder, dtype);
      const std::vector<Sample> samples = samples_of(golden, "batch", "");
      {
        const NoGrad guard(golden.context);
        const Batch all = pack_samples(golden.context, a.model.config(), samples, true);
        const std::vector<double> logits = host(a.model.forward(all.rows, all.images, nn::Mode::evaluation()));
        CHECK(max_abs_diff(logits, golden.values(run + "/logits")) <= (exact ? 1e-6 : 1e-5));
        CHECK(max_abs_diff(logits, golden.values("full/logits")) > 1e-2);  // the adapter does something
      }
      const Tensor loss = mean_loss(a.model, pack_samples(golden.context, a.model.config(), samples), {true, 0, 0});
      CHECK(std::abs(loss.item() - golden.values(run + "/loss")[0]) <= (exact ? 1e-10 : 1e-5));
      golden.context.tape().backward(loss);
      int64_t checked = 0;
      for (const TensorInfo& t : golden.file.tensors()) checked += t.name.rfind(run + "/grad/", 0) == 0 ? 1 : 0;
      if (checked > 5) {
        check_gradients(golden, run + "/grad/", exact ? kStored : 1e-4,
                        [&](const std::string& n) { return a.gradient(n); });
      } else {
        for (const TensorInfo& t : golden.file.tensors()) {
          if (t.name.rfind(run + "/grad/", 0) != 0) continue;
          const std::vector<double> ref = golden.values(t.name);
          const std::vector<double> got = host(a.gradient(t.name.substr(run.size() + 6)));
          CHECK(max_abs_diff(got, ref) <= (exact ? kStored : 1e-4) * std::max(1.0, test::norm(ref)));
        }
      }
    }
  }
}

TEST_CASE("Vlm with a peft adapter: twenty AdamW steps give peft's losses") {
  Golden golden(kFolder);
  for (const DType dtype : {DType::f64, DType::f32}) {
    Adapted a(golden.context, kFolder + "/adapter", dtype);
    optim::MethodOptions options;
    options.max_grad_norm = 0;
    const auto method = optim::make_method("lora", a.model.arena(), options);
    const std::vector<double> losses = golden.values("train/losses");
    REQUIRE(losses.size() == 20);
    for (size_t t = 0; t < losses.size(); ++t) {
      CAPTURE(t);
      a.model.arena().zero_grads();
      const std::vector<Sample> samples = samples_of(golden, "train", "_" + std::to_string(t % 4));
      const Tensor loss = mean_loss(a.model, pack_samples(golden.context, a.model.config(), samples), {true, 0, t});
      CHECK(std::abs(loss.item() - losses[t]) <= (dtype == DType::f64 ? 1e-8 : 1e-4));
      golden.context.tape().backward(loss);
      method->step(1e-2, 0, loss);
    }
  }
}

TEST_CASE("Vlm: samples of 0, 1 and 3 images, in any order, give together what they give one by one") {
  Golden golden(kFolder);
  std::vector<Sample> samples = samples_of(golden, "batch", "");
  Adapted a(golden.context, kFolder + "/wide", DType::f64, 0.2);
  const nn::Mode mode{true, 5, 3};
  double targets = 0;
  for (const Sample& s : samples)
    for (const int32_t t : s.targets) targets += t >= 0 ? 1 : 0;
  REQUIRE(samples.size() == 3);
  double alone = 0;
  a.model.arena().zero_grads();
  for (size_t s = 0; s < samples.size(); ++s) {
    const std::vector<int64_t> number = {static_cast<int64_t>(s)};
    const Batch one = pack_samples(golden.context, a.model.config(), {samples[s]}, number);
    const Tensor loss = loss_of(a.model, one, mode, targets);
    alone += loss.item();
    golden.context.tape().backward(loss);
  }
  const std::vector<double> grads = host(a.model.arena().grads());
  CHECK(test::norm(grads) > 0.01);
  std::vector<int64_t> order = {0, 1, 2};
  do {
    std::vector<Sample> turned;
    for (const int64_t s : order) turned.push_back(samples[static_cast<size_t>(s)]);
    const Batch batch = pack_samples(golden.context, a.model.config(), turned, order);
    a.model.arena().zero_grads();
    const Tensor loss = loss_of(a.model, batch, mode, targets);
    CHECK(std::abs(loss.item() - alone) <= 1e-10);
    golden.context.tape().backward(loss);
    CHECK(max_abs_diff(host(a.model.arena().grads()), grads) <= 1e-10);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("Vlm: features computed before give the same bits, and a frozen tower records nothing") {
  Golden golden(kFolder);
  Adapted a(golden.context, kFolder + "/adapter", DType::f32);
  Batch batch = pack_samples(golden.context, a.model.config(), samples_of(golden, "batch", ""));
  const auto gradients = [&] {
    a.model.arena().zero_grads();
    const Tensor loss = mean_loss(a.model, batch, {true, 1, 2});
    golden.context.tape().backward(loss);
    return host(a.model.arena().grads());
  };
  const std::vector<double> live = gradients();
  batch.images.features = a.model.features(batch.images.images, {true, 0, 0});
  CHECK(golden.context.tape().size() == 0);
  batch.images.images.pixels = {};
  CHECK(gradients() == live);
}

TEST_CASE("Vlm: recomputing blocks changes no bit of the gradients") {
  Golden golden(kFolder);
  Trained kept(golden.context, DType::f32), again(golden.context, DType::f32, true);
  std::vector<double> grads[2];
  for (Trained* t : {&kept, &again}) {
    const Batch batch = pack_samples(golden.context, t->model.config(), samples_of(golden, "batch", ""));
    golden.context.tape().backward(mean_loss(t->model, batch, {true, 7, 2}));
    grads[t == &again] = host(t->model.arena().grads());
  }
  CHECK(grads[0] == grads[1]);
}

namespace {

// The folder with its tensors under other names.
std::string respelled(const std::string& name, const std::function<std::string(const std::string&)>& rename) {
  const fs::path out = fs::temp_directory_path() / ("lowland-vlm-" + name);
  fs::remove_all(out);
  fs::create_directories(out);
  Context context;
  const SafetensorsFile file(kFolder + "/model.safetensors");
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const TensorInfo& t : file.tensors()) {
    const Tensor tensor = Tensor::empty(context, t.shape, DType::f32);
    file.read_into(t.name, tensor);
    tensors.emplace_back(rename(new_vlm_name(t.name)), tensor);
  }
  save_safetensors((out / "model.safetensors").string(), tensors);
  fs::copy_file(kFolder + "/config.json", out / "config.json");
  return out.string();
}

}  // namespace

TEST_CASE("Vlm: folders in the old, the new and the spelling between load alike") {
  Golden golden(kFolder);
  const std::vector<Sample> samples = samples_of(golden, "batch", "");
  const std::pair<std::string, std::function<std::string(const std::string&)>> spellings[] = {
      {"old", old_vlm_name},
      {"new", [](const std::string& n) { return n; }},
      {"between", [](std::string n) {
         const std::string tower = "model.vision_tower.";
         return n.rfind(tower, 0) == 0 ? tower + "vision_model." + n.substr(tower.size()) : n;
       }}};
  for (const auto& spelling : spellings) {
    const auto& name = spelling.first;
    const auto& rename = spelling.second;
    CAPTURE(name);
    const std::string folder = respelled(name, rename);
    Vlm model(VlmConfig::from_folder(folder));
    model.materialise(golden.context, DType::f64);
    load(model, folder);
    const Batch all = pack_samples(golden.context, model.config(), samples, true);
    const std::vector<double> logits = host(model.forward(all.rows, all.images, nn::Mode::evaluation()));
    CHECK(max_abs_diff(logits, golden.values("full/logits")) <= 1e-6);
    fs::remove_all(folder);
  }
}

TEST_CASE("Vlm: adapters in the old spelling load, and are written in either") {
  Golden golden(kFolder);
  const fs::path out = fs::temp_directory_path() / "lowland-vlm-adapter";
  for (const std::string which : {"/adapter", "/wide"}) {
    const LoadedAdapter ours = load_adapter(kFolder + which, new_vlm_name);
    fs::remove_all(out);
    fs::create_directories(out);
    write_adapter_files(out.string(), renamed(ours, old_vlm_name));
    const LoadedAdapter old = load_adapter(out.string());
    for (const LoraFactors& f : old.modules) {
      INFO(f.module);
      CHECK(f.module.rfind("model.", 0) != 0);
      CHECK(old.config.targets(f.module));
    }
    const LoadedAdapter back = load_adapter(out.string(), new_vlm_name);
    REQUIRE(back.modules.size() == ours.modules.size());
    for (size_t i = 0; i < back.modules.size(); ++i) {
      CHECK(back.modules[i].module == ours.modules[i].module);
      CHECK(back.modules[i].a == ours.modules[i].a);
      CHECK(back.modules[i].b == ours.modules[i].b);
    }
    Adapted a(golden.context, out.string(), DType::f32);
    fs::remove_all(out);
  }
}

TEST_CASE("Vlm: what does not fit is told in one sentence") {
  Golden golden(kFolder);
  VlmConfig config = VlmConfig::from_folder(kFolder);
  config.vision.hidden_size = 16;
  {
    Vlm model(config);
    model.materialise(golden.context, DType::f32);
    WeightMap weights = open_weights(kFolder, vlm_family());
    CHECK_THROWS_WITH_AS(load_weights(model, weights, 1),
                         (kFolder + ": the projector's linear_1 is (12,8), but between a vision tower of width 16 and "
                                    "a language model of width 12 it must be (12,16)")
                             .c_str(),
                         Error);
  }
  config = VlmConfig::from_folder(kFolder);
  Sample sample{{1, 2, 39, 39, 39}, {-100, 3, -100, -100, 4}, std::vector<double>(3 * 81), 1};
  CHECK_THROWS_WITH_AS(pack_samples(golden.context, config, {sample}),
                       "segment 0 has 3 image tokens and 1 images, which take 9", Error);
  sample.images = 0;
  CHECK_THROWS_AS(pack_samples(golden.context, config, {sample}), Error);
}
