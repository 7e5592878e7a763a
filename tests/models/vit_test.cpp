// The vision tower and the image classifier against transformers: hidden states, logits, losses, every gradient, other
// image sizes than the learnt one. The references are double-precision (tests/golden/make_vlm_golden.py).
#include "models/vit/vit.h"

#include <doctest/doctest.h>

#include <numeric>

#include "engine/error.h"
#include "models/vit/interpolate_positions.h"
#include "models/vit/load_weights.h"
#include "tests/models/golden.h"

using namespace lowland;
using test::check_gradients;
using test::Golden;
using test::host;
using test::kStored;
using test::max_abs_diff;

namespace {

const std::string kFolder = test::source_dir() + "/tests/golden/vlm_tiny/classifier";

ImageBatch batch_of(Golden& golden, const std::string& name) {
  ImageBatch images;
  const Shape shape = golden.file.info(name).shape;
  images.pixels = Tensor::from<double>(golden.context, shape, golden.values(name));
  for (int32_t s = 0; s < shape[0]; ++s) {
    images.example.push_back(s);
    images.number.push_back(0);
  }
  return images;
}

// The pictures [begin, end) of a batch.
ImageBatch part_of(const ImageBatch& all, int64_t begin, int64_t end) {
  ImageBatch part;
  part.pixels = all.pixels.slice_rows(begin, end);
  part.example.assign(all.example.begin() + begin, all.example.begin() + end);
  part.number.assign(all.number.begin() + begin, all.number.begin() + end);
  return part;
}

struct Trained {
  Vit model{VitConfig::from_folder(kFolder), VitHead::classification};
  Trained(Context& context, DType dtype, bool recompute = false) {
    model.train([](const std::string&) { return true; });
    model.set_recompute(recompute);
    model.materialise(context, dtype);
    const LoadReport report = load_weights(model, kFolder, 1);
    CHECK(report.fresh.empty());
    CHECK(report.unused.empty());
  }
  Tensor loss(Golden& golden, const ImageBatch& images) {
    CrossEntropyOptions options;
    options.scale = 1.0 / static_cast<double>(images.S());
    return ops::cross_entropy(model.forward(images, {true, 0, 0}), golden.labels(golden.ints("labels")), options);
  }
};

}  // namespace

TEST_CASE("Vit: every hidden state and the pooled output equal transformers'") {
  Golden golden(kFolder);
  const ImageBatch images = batch_of(golden, "same/pixels");
  for (const DType dtype : {DType::f64, DType::f32}) {
    Trained t(golden.context, dtype);
    const NoGrad guard(golden.context);
    for (int64_t i = 0; i <= 3; ++i) {
      CAPTURE(i);
      const std::vector<double> ref = golden.values("same/hidden_" + std::to_string(i));
      CHECK(max_abs_diff(host(t.model.hidden(images, i, nn::Mode::evaluation())), ref) <=
            (dtype == DType::f64 ? 1e-6 : 1e-5));  // stored in f32
      CHECK(max_abs_diff(host(t.model.hidden(images, i - 4, nn::Mode::evaluation())), ref) <= 1e-5);
    }
    CHECK(max_abs_diff(host(t.model.pooled(images, nn::Mode::evaluation())), golden.values("same/pooled")) <=
          (dtype == DType::f64 ? 1e-10 : 1e-5));
  }
}

TEST_CASE("Vit: logits, loss and every gradient of a classifier equal transformers', at three image sizes") {
  Golden golden(kFolder);
  for (const std::string name : {"same", "large", "small"}) {
    CAPTURE(name);
    const ImageBatch images = batch_of(golden, name + "/pixels");
    for (const DType dtype : {DType::f64, DType::f32}) {
      const bool exact = dtype == DType::f64;
      Trained t(golden.context, dtype);
      {
        const NoGrad guard(golden.context);
        CHECK(max_abs_diff(host(t.model.forward(images, nn::Mode::evaluation())), golden.values(name + "/logits")) <=
              (exact ? 1e-10 : 1e-5));
      }
      const Tensor loss = t.loss(golden, images);
      CHECK(std::abs(loss.item() - golden.values(name + "/loss")[0]) <= (exact ? 1e-10 : 1e-5));
      golden.context.tape().backward(loss);
      const auto gradient = [&](const std::string& n) { return t.model.parameters().find(n).grad(); };
      if (name == "same") {
        check_gradients(golden, "same/grad/", exact ? kStored : 1e-4, gradient);
      } else {
        const std::string positions = "vision_model.embeddings.position_embedding.weight";
        CHECK(max_abs_diff(host(gradient(positions)), golden.values(name + "/grad/" + positions)) <=
              (exact ? 1e-7 : 1e-5));
      }
    }
  }
}

TEST_CASE("Vit: pictures together give what they give alone; recomputed blocks change no bit") {
  Golden golden(kFolder);
  const ImageBatch images = batch_of(golden, "same/pixels");
  Trained kept(golden.context, DType::f64), again(golden.context, DType::f64, true);
  for (Trained* t : {&kept, &again}) golden.context.tape().backward(t->loss(golden, images));
  CHECK(host(kept.model.arena().grads()) == host(again.model.arena().grads()));
  const NoGrad guard(golden.context);
  const std::vector<double> all = host(kept.model.forward(images, nn::Mode::evaluation()));
  for (int64_t s = 0; s < 3; ++s) {
    const std::vector<double> one = host(kept.model.forward(part_of(images, s, s + 1), nn::Mode::evaluation()));
    CHECK(max_abs_diff(one, {all.begin() + s * 3, all.begin() + s * 3 + 3}) <= 1e-12);
  }
}

TEST_CASE("Vit: a frozen tower records nothing, and a classifier of other classes is fresh") {
  Golden golden(kFolder);
  VitConfig config = VitConfig::from_folder(kFolder);
  config.labels = {"a", "b"};
  Vit model(config, VitHead::classification);
  model.train([](const std::string& name) { return name.rfind("classifier.", 0) == 0; });
  model.materialise(golden.context, DType::f32);
  const LoadReport report = load_weights(model, kFolder, 1);
  CHECK(report.fresh == std::vector<std::string>{"classifier.weight", "classifier.bias"});
  const ImageBatch images = batch_of(golden, "same/pixels");
  model.hidden(images, -1, {true, 0, 0});
  CHECK(golden.context.tape().size() == 0);
  model.forward(images, {true, 0, 0});
  CHECK(golden.context.tape().size() > 0);
  golden.context.tape().clear();
}

TEST_CASE("Vit: position interpolation keeps constants, and is the identity at the same size") {
  for (const auto& [from, to] : {std::pair<int64_t, int64_t>{1, 3}, {3, 3}, {4, 7}, {24, 16}}) {
    const std::vector<double> m = interpolate_positions(from, to);
    const int64_t columns = 1 + from * from;
    for (int64_t row = 0; row <= to * to; ++row) {
      const auto begin = m.begin() + row * columns;
      CHECK(std::abs(std::accumulate(begin, begin + columns, 0.0) - 1) <= 1e-12);
      if (from == to)
        for (int64_t c = 0; c < columns; ++c) CHECK(std::abs(begin[c] - (c == row ? 1 : 0)) <= 1e-12);
    }
  }
}

TEST_CASE("Vit: what cannot be is refused in a sentence") {
  Golden golden(kFolder);
  Trained t(golden.context, DType::f32);
  ImageBatch images = batch_of(golden, "same/pixels");
  CHECK_THROWS_WITH_AS(t.model.hidden(images, 4, nn::Mode::evaluation()),
                       "the vision tower has hidden states 0 to 3, not 4", Error);
  images.pixels = Tensor::zeros(golden.context, {3, 3, 10, 10}, DType::f32);
  CHECK_THROWS_WITH_AS(t.model.forward(images, nn::Mode::evaluation()),
                       "images of 10 x 10 pixels do not divide into patches of 3", Error);
  images.pixels = Tensor::zeros(golden.context, {3, 1, 9, 9}, DType::f32);
  CHECK_THROWS_AS(t.model.forward(images, nn::Mode::evaluation()), Error);

  const auto refused = [](const std::string& key, const std::string& value) {
    const std::string text =
        R"({"model_type":"clip_vision_model","patch_size":8,"image_size":16,")" + key + "\":" + value + "}";
    try {
      VitConfig::from_json(text, "config.json");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  CHECK(refused("hidden_act", "\"relu\"") == "config.json: hidden_act is relu; quick_gelu and gelu are supported");
  CHECK(refused("hidden_size", "10") == "config.json: hidden_size is 10, not a multiple of num_attention_heads, 12");
  CHECK(refused("num_channels", "0") == "config.json: num_channels is 0");
}

TEST_CASE("VitConfig: written and read again, it is the same") {
  const VitConfig config = VitConfig::from_folder(kFolder);
  CHECK(config.labels == std::vector<std::string>{"cat", "dog", "owl"});
  CHECK(config.activation == GeluForm::erf);
  CHECK(config.hidden_size == 8);
  CHECK(config.patches() == 9);
  CHECK(VitConfig::from_json(config.to_json(), "written").to_json() == config.to_json());
  // Keys that a file omits have CLIP's values.
  const VitConfig bare = VitConfig::from_json(R"({"model_type":"clip_vision_model"})", "bare");
  CHECK(bare.activation == GeluForm::quick);
  CHECK(bare.hidden_size == 768);
  CHECK(bare.patch_size == 32);
}
