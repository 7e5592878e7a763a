#include <doctest/doctest.h>

#include <cmath>

#include "engine/error.h"
#include "models/llama/config.h"

using namespace lowland;

namespace {

LlamaConfig read(const std::string& text) { return LlamaConfig::from_json(text, "config.json"); }

}  // namespace

TEST_CASE("LlamaConfig: what a file omits is transformers' default of its model_type") {
  const LlamaConfig llama = read(R"({"model_type": "llama"})");
  CHECK(llama.vocab_size == 32000);
  CHECK(llama.intermediate_size == 11008);
  CHECK(llama.num_key_value_heads == 32);
  CHECK(llama.head_dim == 128);
  CHECK(llama.max_tokens() == 2048);
  CHECK(llama.eos_token_ids == std::vector<int32_t>{2});
  CHECK_FALSE(llama.qkv_bias);
  CHECK(read(R"({"model_type": "llama", "num_attention_heads": 16})").num_key_value_heads == 16);
  const LlamaConfig mistral = read(R"({"model_type": "mistral"})");
  CHECK(mistral.num_key_value_heads == 8);
  CHECK(mistral.intermediate_size == 14336);
  CHECK(mistral.max_tokens() == 4096);  // its sliding window
  const LlamaConfig qwen = read(R"({"model_type": "qwen2", "sliding_window": 4096})");
  CHECK(qwen.vocab_size == 151936);
  CHECK(qwen.qkv_bias);
  CHECK_FALSE(qwen.output_bias);
  CHECK(qwen.max_tokens() == 32768);  // use_sliding_window is false
  CHECK(qwen.eos_token_ids.empty());
}

TEST_CASE("LlamaConfig: sliding windows") {
  CHECK(read(R"({"model_type": "mistral", "sliding_window": null})").sliding_window == 0);
  CHECK(read(R"({"model_type": "mistral", "sliding_window": 100})").max_tokens() == 100);
  CHECK(read(R"({"model_type": "qwen2", "use_sliding_window": true, "max_window_layers": 4, "sliding_window": 64})")
            .max_tokens() == 64);
  CHECK(read(R"({"model_type": "qwen2", "use_sliding_window": true, "max_window_layers": 32})").sliding_window == 0);
  CHECK(read(R"({"model_type": "qwen2", "layer_types": ["full_attention"]})").sliding_window == 0);
  CHECK_THROWS_WITH_AS(read(R"({"model_type": "llama", "sliding_window": 64})"),
                       "config.json: sliding_window is set, which a llama does not know", Error);
}

TEST_CASE("LlamaConfig: rope in the spellings of version 4, old version 4 and version 5") {
  const LlamaConfig four = read(R"({"model_type": "llama", "rope_theta": 500000.0, "max_position_embeddings": 131072,
      "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                       "original_max_position_embeddings": 8192, "rope_type": "llama3"}})");
  const LlamaConfig five = read(R"({"model_type": "llama", "max_position_embeddings": 131072,
      "rope_parameters": {"rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                          "original_max_position_embeddings": 8192, "rope_type": "llama3"}})");
  CHECK(rope_frequencies(four) == rope_frequencies(five));
  CHECK(four.rope_theta == 500000);
  CHECK(four.rope_scaling.type == "llama3");
  const LlamaConfig old = read(R"({"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 4}})");
  CHECK(old.rope_scaling.factor == 4);
  CHECK(read(R"({"model_type": "llama", "rope_scaling": null})").rope_scaling.type == "default");
}

TEST_CASE("LlamaConfig: frequencies") {
  const std::vector<float> plain = rope_frequencies(read(R"({"model_type": "llama"})"));
  REQUIRE(plain.size() == 64);
  CHECK(plain[0] == 1.0f);
  CHECK(plain[32] == 0.01f);
  const std::vector<float> linear =
      rope_frequencies(read(R"({"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 4}})"));
  CHECK(linear[0] == 0.25f);
  // Llama 3.1: fast ones stay, slow ones are divided by the factor.
  const std::vector<float> scaled = rope_frequencies(read(
      R"({"model_type": "llama", "rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3", "factor": 8,
               "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}})"));
  CHECK(scaled[0] == 1.0f);
  const double slowest = std::pow(500000.0, -126.0 / 128);
  CHECK(std::abs(static_cast<double>(scaled[63]) - slowest / 8) < 1e-7 * slowest);
}

TEST_CASE("LlamaConfig: eos may be one id, a list or null") {
  CHECK(read(R"({"model_type": "llama", "vocab_size": 128256, "eos_token_id": [128001, 128008, 128009]})")
            .eos_token_ids == std::vector<int32_t>{128001, 128008, 128009});
  CHECK(read(R"({"model_type": "llama", "eos_token_id": null})").eos_token_ids.empty());
  CHECK_THROWS_WITH_AS(read(R"({"model_type": "llama", "eos_token_id": [32000]})"),
                       "config.json: eos_token_id holds 32000, which is no id of the vocabulary", Error);
}

TEST_CASE("LlamaConfig: what is written is read back as the same network") {
  for (
      const char* text :
      {R"({"model_type": "llama", "attention_bias": true, "mlp_bias": true, "head_dim": 64, "torch_dtype": "bfloat16",
            "rope_scaling": {"rope_type": "llama3", "factor": 32, "low_freq_factor": 1, "high_freq_factor": 4,
                             "original_max_position_embeddings": 8192}, "eos_token_id": [2, 3]})",
       R"({"model_type": "mistral", "sliding_window": 100})", R"({"model_type": "mistral", "sliding_window": null})",
       R"({"model_type": "qwen2", "tie_word_embeddings": true, "use_sliding_window": true, "max_window_layers": 2})"}) {
    const LlamaConfig once = read(text), twice = read(once.to_json());
    CHECK(once.to_json() == twice.to_json());
    CHECK(once.sliding_window == twice.sliding_window);
    CHECK(rope_frequencies(once) == rope_frequencies(twice));
    CHECK(once.qkv_bias == twice.qkv_bias);
    CHECK(once.output_bias == twice.output_bias);
  }
}

TEST_CASE("LlamaConfig: what is not computed is refused by name") {
  const auto refused = [](const std::string& fields, const std::string& message) {
    CHECK_THROWS_WITH_AS(read(R"({"model_type": "llama", )" + fields + "}"), message.c_str(), Error);
  };
  CHECK_THROWS_WITH_AS(read(R"({"model_type": "gemma"})"),
                       "config.json: model_type is gemma; llama, mistral and qwen2 are supported", Error);
  CHECK_THROWS_WITH_AS(read("{}"), "config.json: model_type is missing; llama, mistral and qwen2 are supported", Error);
  refused(R"("rope_scaling": {"rope_type": "yarn", "factor": 4})",
          "config.json: rope_scaling: rope_type is yarn; default, linear and llama3 are supported");
  refused(R"("attn_logit_softcapping": 50.0)",
          "config.json: attn_logit_softcapping is 50.0, a setting that Lowland does not know");
  refused(R"("hidden_act": "gelu")", "config.json: hidden_act is gelu; only silu is supported");
  refused(R"("quantization_config": {"bits": 4})",
          "config.json: quantization_config is set: quantised weights are not supported");
  refused(R"("num_key_value_heads": 5)",
          "config.json: num_key_value_heads is 5, which does not divide num_attention_heads, 32");
  refused(R"("head_dim": 7)", "config.json: head_dim is 7, not an even number up to 1024");
  refused(R"("partial_rotary_factor": 0.5)", "config.json: partial_rotary_factor is not 1, which is not supported");
  CHECK(read(R"({"model_type": "llama", "some_new_switch": false, "another": null})").vocab_size == 32000);
}
