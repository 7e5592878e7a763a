// read_config FOLDER [ID...]: what is read from a folder's config.json, preprocessor_config.json and
// generation_config.json, as one JSON object for tests/peers/check_config_census.py; with IDs, and weights in the
// folder, the logits of all rows of that text as well.
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/decoder/load_weights.h"
#include "models/hub/family.h"
#include "models/hub/generation_config.h"
#include "models/images/image_processor.h"
#include "models/llama/llama.h"
#include "models/roberta/family.h"
#include "models/roberta/load_weights.h"
#include "models/vlm/config.h"

using namespace lowland;
using nlohmann::json;

namespace {

template <class Forward>
void describe(json& out, Context& context, nn::Model& model, const std::vector<int32_t>& ids, const Forward& forward) {
  int64_t parameters = 0;
  for (const auto& p : model.parameters().all()) {
    int64_t size = 1;
    for (const int64_t n : p->shape) size *= n;
    parameters += size;
  }
  out["parameters"] = parameters;
  if (ids.empty()) return;
  nn::Segment text{ids, 0, {}};
  for (size_t i = 0; i < ids.size(); ++i) text.select.push_back(static_cast<int32_t>(i));
  model.materialise(context, DType::f32);
  const NoGrad guard(context);
  out["logits"] = forward(nn::pack(context, {text})).template to_vector<float>();
}

json read_decoder(const std::string& folder, const std::vector<int32_t>& ids) {
  const LlamaConfig c = LlamaConfig::from_folder(folder);
  json out = {{"notes", c.notes},
              {"max_tokens", c.max_tokens()},
              {"tied", c.tie_word_embeddings},
              {"attention_factor", c.rope_scaling.attention_factor},
              {"eps", c.rms_norm_eps},
              {"frequencies", rope_frequencies(c)},
              {"frequencies_longest", rope_frequencies(c, c.max_tokens())},
              {"same_config", json::parse(c.to_json()) == json::parse(c.source)}};
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) out["windows"].push_back(c.window_of(i));
  Context context;
  Llama model(c);
  describe(out, context, model, ids, [&](const nn::Rows& rows) {
    WeightMap weights(folder, "model");
    load_weights(model, weights, 1);
    return model.forward(rows, nn::Mode::evaluation());
  });
  return out;
}

json read_gpt2(const std::string& folder, const std::vector<int32_t>& ids) {
  const std::unique_ptr<DecoderConfig> c = decoder_config_of(folder);
  json out = {{"notes", c->notes},
              {"max_tokens", c->max_tokens()},
              {"tied", c->tie_word_embeddings},
              {"same_config", json::parse(c->to_json()) == json::parse(c->source)}};
  Context context;
  const std::unique_ptr<Decoder> model = c->new_model();
  describe(out, context, *model, ids, [&](const nn::Rows& rows) {
    WeightMap weights = open_weights(folder, c->family());
    load_weights(*model, weights, 1);
    return model->forward(rows, nn::Mode::evaluation());
  });
  return out;
}

json read_encoder(const std::string& folder, const std::vector<int32_t>& ids) {
  const RobertaConfig c = RobertaConfig::from_folder(folder);
  json out = {{"notes", c.notes},
              {"max_tokens", c.max_tokens()},
              {"tied", c.tie_word_embeddings},
              {"labels", c.labels},
              {"same_config", json::parse(c.to_json()) == json::parse(c.source)}};
  Context context;
  Roberta model(c, RobertaHead::masked_lm);
  describe(out, context, model, ids, [&](const nn::Rows& rows) {
    load_weights(model, folder, 1);
    return model.forward(rows, nn::Mode::evaluation());
  });
  return out;
}

json read_model(const std::string& folder, const std::vector<int32_t>& ids) {
  const std::string text = read_file(folder + "/config.json");
  const std::string type = json::parse(text).value("model_type", "");
  if (encoder_kind(type) != nullptr) return read_encoder(folder, ids);
  if (type == "llava") return {{"notes", VlmConfig::from_json(text, "config.json").notes}};
  if (type == "clip" || type == "clip_vision_model")
    return {{"notes", VitConfig::from_json(text, "config.json").notes}};
  if (type == "gpt2") return read_gpt2(folder, ids);
  return read_decoder(folder, ids);
}

template <class Read> void add(json& out, const std::string& folder, const char* file, const Read& read) {
  if (!std::filesystem::exists(std::filesystem::path(folder) / file)) return;
  try {
    out[file] = read();
  } catch (const std::exception& e) {
    out[file] = {{"error", e.what()}};
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "error: read_config FOLDER [ID...]\n");
    return 1;
  }
  const std::string folder = argv[1];
  std::vector<int32_t> ids;
  for (int i = 2; i < argc; ++i) ids.push_back(std::atoi(argv[i]));
  json out = json::object();
  add(out, folder, "config.json", [&] { return read_model(folder, ids); });
  add(out, folder, "generation_config.json", [&] {
    const GenerationConfig g = GenerationConfig::from_folder(folder);
    return json{{"notes", g.notes}, {"eos", g.eos_token_ids.value_or(std::vector<int32_t>{})}, {"draws", g.do_sample}};
  });
  add(out, folder, "preprocessor_config.json", [&] {
    const ImageSettings s = ImageSettings::from_folder(folder);
    return json{{"notes", s.notes}, {"says", s.describe()}};
  });
  std::printf("%s\n", out.dump().c_str());
  return 0;
}
