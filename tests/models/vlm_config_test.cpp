#include "models/vlm/config.h"

#include <doctest/doctest.h>

#include "engine/error.h"
#include "models/vlm/vlm.h"

using namespace lowland;

TEST_CASE("VlmConfig: a published file, which omits most, has transformers' defaults") {
  const VlmConfig c = VlmConfig::from_json(
      R"({"model_type":"llava","image_token_index":32000,"pad_token_id":32001,
          "text_config":{"model_type":"llama","rms_norm_eps":1e-05,"vocab_size":32064,"max_position_embeddings":4096},
          "vision_config":{"hidden_size":1024,"image_size":336,"intermediate_size":4096,
          "model_type":"clip_vision_model",
          "num_attention_heads":16,"num_hidden_layers":24,"patch_size":14,"projection_dim":768,"vocab_size":32000}})",
      "config.json");
  CHECK(c.image_tokens() == 576);
  CHECK(c.text.hidden_size == 4096);
  CHECK(c.text.intermediate_size == 11008);
  CHECK(c.vision.activation == GeluForm::quick);
  CHECK(c.vision_feature_layer == -2);
  CHECK(VlmConfig::from_json(c.to_json(), "written").to_json() == c.to_json());
}

TEST_CASE("VlmConfig: what would change the network is refused by name") {
  const auto refused = [](const std::string& key, const std::string& value) {
    const std::string text =
        R"({"model_type":"llava","text_config":{"vocab_size":32064},")" + key + "\":" + value + "}";
    try {
      VlmConfig::from_json(text, "config.json");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  CHECK(refused("vision_feature_layer", "[-2,-5]") ==
        "config.json: vision_feature_layer names several layers; one is supported");
  CHECK(refused("vision_feature_layer", "-26") ==
        "config.json: vision_feature_layer is -26, but the tower has 24 layers");
  CHECK(refused("projector_hidden_act", "\"relu\"") ==
        "config.json: projector_hidden_act is relu; only gelu is supported");
  CHECK(refused("image_token_index", "99999") ==
        "config.json: image_token_index is 99999, outside the vocabulary of 32064");
  CHECK(refused("vision_config", R"({"model_type":"siglip_vision_model"})") ==
        "config.json: vision_config: model_type is siglip_vision_model; the vision tower must be a clip_vision_model");
}

TEST_CASE("Vlm: image tokens become rows, marks beside them") {
  std::vector<uint8_t> marks = {0, 1, 0, 1};
  CHECK(expand_image_tokens({5, 9, 7, 9}, 9, 3, &marks) == std::vector<int32_t>{5, 9, 9, 9, 7, 9, 9, 9});
  CHECK(marks == std::vector<uint8_t>{0, 1, 1, 1, 0, 1, 1, 1});
}
