#include "models/vlm/config.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

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

TEST_CASE("VlmConfig: the head is tied where the whole or the decoder says so") {
  const auto tied = [](const std::string& whole, const std::string& text) {
    return VlmConfig::from_json(
               R"({"model_type": "llava", "text_config": {"vocab_size": 32064)" + text + "}" + whole + "}",
               "config.json")
        .text.tie_word_embeddings;
  };
  const std::string yes = R"(, "tie_word_embeddings": true)", no = R"(, "tie_word_embeddings": false)";
  CHECK(tied(yes, no));
  CHECK(tied(no, yes));
  CHECK(tied(yes, ""));
  CHECK(tied("", yes));
  CHECK(!tied("", ""));
  CHECK(!tied(no, no));
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

TEST_CASE("VlmConfig: what transformers writes beside is let pass, what nobody reads is noted") {
  // The keys of LlavaConfig().to_dict() in transformers 5.24, and of 4.37's, that are not in the published file above.
  const auto config = [](const std::string& whole, const std::string& tower) {
    return R"({"model_type":"llava","architectures":["LlavaForConditionalGeneration"],"ignore_index":-100,
        "image_seq_length":576,"image_token_index":9,"chunk_size_feed_forward":0,"id2label":{"0":"LABEL_0"},
        "is_encoder_decoder":false,"output_attentions":false,"problem_type":null,"return_dict":true,
        "tie_word_embeddings":false,"torch_dtype":"float16","transformers_version":"4.37.0","vocab_size":32064,
        "pad_token_id":0)" +
           whole + R"(,"text_config":{"vocab_size":32064},"vision_config":{"model_type":
        "clip_vision_model","attention_dropout":0.0,"dropout":0.0,"initializer_factor":1.0,"initializer_range":0.02,
        "hidden_act":"quick_gelu","layer_norm_eps":1e-05,"num_channels":3,"pruned_heads":{},"temperature":1.0,
        "use_bfloat16":false)" +
           tower + "}}";
  };
  const auto read = [&](const std::string& whole, const std::string& tower) {
    return VlmConfig::from_json(config(whole, tower), "config.json");
  };
  CHECK(read("", "").vision.num_hidden_layers == 12);
  CHECK(read("", "").notes.empty());
  CHECK(read(R"(,"image_grid_pinpoints":[[336,672]])", R"(,"use_mean_pooling":true)").notes ==
        std::vector<std::string>{"config.json: vision_config: not used: use_mean_pooling",
                                 "config.json: not used: image_grid_pinpoints"});
  CHECK_THROWS_WITH_AS(read("", R"(,"pruned_heads":{"0":[1]})"), doctest::Contains("pruned_heads"), Error);
}

TEST_CASE("VlmConfig: the head is tied where the whole or its text says so; what is written keeps the file") {
  const auto read = [](const std::string& whole, const std::string& text) {
    return VlmConfig::from_json(R"({"model_type":"llava","image_token_index":9,"mine":{"a":1})" + whole +
                                    R"(,"text_config":{"vocab_size":32064,"model_type":"mistral","sliding_window":8)" +
                                    text + "}}",
                                "config.json");
  };
  const std::string yes = R"(,"tie_word_embeddings":true)", no = R"(,"tie_word_embeddings":false)";
  CHECK(read(yes, no).text.tie_word_embeddings);
  CHECK(read(no, yes).text.tie_word_embeddings);
  CHECK(read(yes, "").text.tie_word_embeddings);
  CHECK(!read(no, no).text.tie_word_embeddings);
  CHECK(!read("", "").text.tie_word_embeddings);
  VlmConfig c = read(yes, "");
  auto expected = nlohmann::json::parse(c.source);
  CHECK(nlohmann::json::parse(c.to_json()) == expected);
  c.text.vocab_size = 32065;
  c.dtype = "float32";
  expected["text_config"]["vocab_size"] = 32065;
  expected["torch_dtype"] = "float32";
  CHECK(nlohmann::json::parse(c.to_json()) == expected);
}

TEST_CASE("Vlm: image tokens become rows, marks beside them") {
  std::vector<uint8_t> marks = {0, 1, 0, 1};
  CHECK(expand_image_tokens({5, 9, 7, 9}, 9, 3, &marks) == std::vector<int32_t>{5, 9, 9, 9, 7, 9, 9, 9});
  CHECK(marks == std::vector<uint8_t>{0, 1, 1, 1, 0, 1, 1, 1});
}
