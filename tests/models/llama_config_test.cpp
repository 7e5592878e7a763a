#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

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
  CHECK(mistral.max_tokens() == 131072);  // its sliding window is shorter
  CHECK(mistral.window_of(0) == 4096);
  const LlamaConfig qwen = read(R"({"model_type": "qwen2", "sliding_window": 4096})");
  CHECK(qwen.vocab_size == 151936);
  CHECK(qwen.qkv_bias);
  CHECK_FALSE(qwen.output_bias);
  CHECK(qwen.max_tokens() == 32768);  // use_sliding_window is false
  CHECK(qwen.eos_token_ids.empty());
}

TEST_CASE("LlamaConfig: defaults of Qwen3, Phi-3 and Gemma") {
  const LlamaConfig qwen = read(R"({"model_type": "qwen3", "hidden_size": 1024})");
  CHECK(qwen.head_dim == 128);  // whatever hidden_size is
  CHECK(qwen.eos_token_ids.empty());
  CHECK_FALSE(qwen.qkv_bias);
  CHECK(read(R"({"model_type": "qwen3", "attention_bias": true})").output_bias);
  const LlamaConfig phi = read(R"({"model_type": "phi3"})");
  CHECK(phi.vocab_size == 32064);
  CHECK(phi.head_dim == 96);
  CHECK(phi.rms_norm_eps == 1e-5);
  CHECK(phi.sliding_window == 0);
  CHECK(phi.eos_token_ids == std::vector<int32_t>{32000});
  const LlamaConfig two = read(R"({"model_type": "gemma2"})"), three = read(R"({"model_type": "gemma3_text"})");
  for (const LlamaConfig* c : {&two, &three}) {
    CHECK(c->tie_word_embeddings);
    CHECK(c->head_dim == 256);
    CHECK(c->query_pre_attn_scalar == 256);
    CHECK(c->eos_token_ids == std::vector<int32_t>{1});
    CHECK(c->window_of(0) == 4096);
  }
  CHECK(two.attn_logit_softcapping == 50);
  CHECK(two.final_logit_softcapping == 30);
  CHECK(two.window_of(1) == 0);
  CHECK(two.window_of(2) == 4096);
  CHECK_FALSE(two.local(0));
  CHECK(three.attn_logit_softcapping == 0);
  CHECK(three.final_logit_softcapping == 0);
  CHECK(three.window_of(4) == 4096);
  CHECK(three.window_of(5) == 0);
  CHECK(three.local(4));
  CHECK_FALSE(three.local(5));
  CHECK(three.rope_theta == 1e6);
  CHECK(three.rope_local_base_freq == 1e4);
  CHECK(read(R"({"model_type": "gemma2", "attn_logit_softcapping": null})").attn_logit_softcapping == 0);
  CHECK(read(R"({"model_type": "gemma3_text", "final_logit_softcapping": 25.0})").final_logit_softcapping == 25);
}

TEST_CASE("LlamaConfig: the two ropes of Gemma 3 in the spellings of version 4 and version 5") {
  const LlamaConfig four =
      read(R"({"model_type": "gemma3_text", "rope_theta": 500000.0, "rope_local_base_freq": 20000.0,
      "rope_scaling": {"rope_type": "linear", "factor": 8.0}, "sliding_window_pattern": 2})");
  const LlamaConfig five = read(R"({"model_type": "gemma3_text", "num_hidden_layers": 2, "rope_parameters": {
      "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 500000.0},
      "sliding_attention": {"rope_type": "default", "rope_theta": 20000.0}},
      "layer_types": ["sliding_attention", "full_attention"]})");
  CHECK(rope_frequencies(four) == rope_frequencies(five));
  CHECK(local_rope_frequencies(four) == local_rope_frequencies(five));
  CHECK(rope_frequencies(four)[0] == 0.125f);
  CHECK(local_rope_frequencies(four)[0] == 1.0f);
  CHECK(four.notes.empty());
  for (const LlamaConfig* c : {&four, &five}) {
    CHECK(c->local(0));
    CHECK_FALSE(c->local(1));
  }
}

TEST_CASE("LlamaConfig: Phi-3's rope by its names, and a part of each head") {
  const auto phi = [](const char* type, const char* more) {
    return read(std::string(R"({"model_type": "phi3", "hidden_size": 32, "num_attention_heads": 4,
        "max_position_embeddings": 131072, "rope_scaling": {"short_factor": [1, 2, 3], "long_factor": [4, 5, 6],
        "type": ")") +
                type + R"("}, "partial_rotary_factor": 0.75)" + more + "}");
  };
  for (const char* type : {"su", "yarn", "longrope"}) {
    const LlamaConfig c = phi(type, "");
    CHECK(c.rope_scaling.type == "longrope");
    CHECK(c.rotary_dim() == 6);
    CHECK(rope_frequencies(c).size() == 3);
    CHECK(c.rope_limit() == 4096);  // Phi3Config's own default
    CHECK(c.rope_scaling.attention_factor == doctest::Approx(std::sqrt(1 + std::log(32.0) / std::log(4096.0))));
  }
  CHECK(phi("longrope", R"(, "original_max_position_embeddings": 8192)").rope_limit() == 8192);
  CHECK_THROWS_WITH_AS(read(R"({"model_type": "phi3", "partial_rotary_factor": 0.01})"),
                       "config.json: partial_rotary_factor is 0.01, which is no even number of a head's 96 columns",
                       Error);
  CHECK_THROWS_WITH_AS(read(R"({"model_type": "phi3", "resid_pdrop": 0.1})"),
                       "config.json: resid_pdrop is 0.1: dropout of what attention and MLP give is not supported",
                       Error);
}

TEST_CASE("LlamaConfig: sliding windows") {
  CHECK(read(R"({"model_type": "mistral", "sliding_window": null})").sliding_window == 0);
  const LlamaConfig mistral = read(R"({"model_type": "mistral", "sliding_window": 100})");
  CHECK(mistral.max_tokens() == 131072);
  CHECK(mistral.window_of(31) == 100);
  const LlamaConfig qwen =
      read(R"({"model_type": "qwen2", "use_sliding_window": true, "max_window_layers": 4, "sliding_window": 64})");
  CHECK(qwen.max_tokens() == 32768);
  CHECK(qwen.window_of(3) == 0);
  CHECK(qwen.window_of(4) == 64);
  CHECK(read(R"({"model_type": "qwen2", "use_sliding_window": true, "max_window_layers": 32})").sliding_window == 0);
  CHECK(read(R"({"model_type": "qwen2", "num_hidden_layers": 1, "layer_types": ["full_attention"]})").sliding_window ==
        0);
  const LlamaConfig mixed =
      read(R"({"model_type": "qwen2", "num_hidden_layers": 2, "use_sliding_window": true, "max_window_layers": 9,
               "layer_types": ["sliding_attention", "full_attention"]})");
  CHECK(mixed.window_of(0) == 4096);
  CHECK(mixed.window_of(1) == 0);
  CHECK_THROWS_WITH_AS(read(R"({"model_type": "qwen2", "num_hidden_layers": 1, "layer_types": ["sliding_attention"]})"),
                       "config.json: layer_types holds sliding_attention, but no sliding_window is in use", Error);
  CHECK_THROWS_WITH_AS(read(R"({"model_type": "qwen2", "layer_types": ["full_attention"]})"),
                       "config.json: layer_types names 1 layers, not 32", Error);
  // transformers' Llama has no window, whatever its file says.
  const LlamaConfig llama = read(R"({"model_type": "llama", "sliding_window": 64})");
  CHECK(llama.window_of(0) == 0);
  CHECK(llama.notes == std::vector<std::string>{"config.json: not used: sliding_window"});
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

TEST_CASE("LlamaConfig: of rope_scaling and rope_parameters the first counts, whole, and the difference is told") {
  const LlamaConfig both = read(R"({"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 2},
      "rope_parameters": {"rope_type": "yarn", "factor": 8, "rope_theta": 77}})");
  CHECK(both.rope_scaling.type == "linear");
  CHECK(both.rope_theta == 10000);
  REQUIRE(both.notes.size() == 1);
  CHECK(both.notes[0].find("rope_scaling and rope_parameters differ") != std::string::npos);
  CHECK(read(R"({"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 2}, "rope_theta": 50,
                 "rope_parameters": {"rope_type": "linear", "factor": 2, "rope_theta": 50}})")
            .notes.empty());
  CHECK(read(R"({"model_type": "llama", "rope_scaling": {}, "rope_parameters": {"rope_theta": 77}})").rope_theta == 77);
  // original_max_position_embeddings beside the object wins over the one in it.
  const LlamaConfig yarn = read(R"({"model_type": "llama", "original_max_position_embeddings": 512,
      "rope_scaling": {"type": "yarn", "factor": 2, "original_max_position_embeddings": 1024}})");
  CHECK(yarn.rope_scaling.original_max_position_embeddings == 512);
  CHECK(yarn.notes.empty());
  CHECK(read(R"({"model_type": "llama", "rope_scaling": {"type": "yarn", "factor": 2}})")
            .rope_scaling.original_max_position_embeddings == 2048);
}

TEST_CASE("LlamaConfig: lengths and frequencies of scaled ropes") {
  const LlamaConfig dynamic = read(R"({"model_type": "llama", "rope_scaling": {"type": "dynamic", "factor": 4}})");
  CHECK(dynamic.rope_limit() == 2048);
  CHECK(dynamic.max_tokens() == 8192);
  CHECK(rope_frequencies(dynamic, 2048) == rope_frequencies(read(R"({"model_type": "llama"})")));
  const std::vector<float> far = rope_frequencies(dynamic, 4096);  // theta 10000 (4 * 2 - 3)^(128 / 126)
  const double theta = 10000 * std::pow(5.0, 128.0 / 126), slowest = std::pow(theta, -126.0 / 128);
  CHECK(std::abs(static_cast<double>(far[63]) - slowest) < 1e-7 * slowest);
  const LlamaConfig yarn = read(R"({"model_type": "llama", "max_position_embeddings": 32768, "rope_theta": 1000000,
      "rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 32768}})");
  CHECK(yarn.max_tokens() == 131072);
  CHECK(yarn.rope_limit() > 131072);
  CHECK(yarn.rope_scaling.attention_factor == doctest::Approx(0.1 * std::log(4.0) + 1));
  const std::vector<float> f = rope_frequencies(yarn);
  CHECK(f[0] == 1.0f);
  CHECK(static_cast<double>(f[63]) == doctest::Approx(std::pow(1e6, -126.0 / 128) / 4));
  const auto longrope = [](const char* more) {
    return read(std::string(R"({"model_type": "llama", "hidden_size": 8, "num_attention_heads": 2,
        "max_position_embeddings": 64, "original_max_position_embeddings": 16, "rope_scaling": {"type": "longrope",
        "short_factor": [1, 2], "long_factor": [3, 4])") +
                more + "}}");
  };
  CHECK(longrope("").rope_limit() == 16);
  CHECK(longrope("").rope_scaling.attention_factor == doctest::Approx(std::sqrt(1 + std::log(4.0) / std::log(16.0))));
  CHECK(longrope(R"(, "attention_factor": 1.5)").rope_scaling.attention_factor == 1.5);
  CHECK(rope_frequencies(longrope(""), 16) == std::vector<float>{1.0f, 0.005f});
  CHECK(rope_frequencies(longrope(""), 17) == std::vector<float>{1.0f / 3, 0.0025f});
}

TEST_CASE("LlamaConfig: keys that nobody knows are noted and kept") {
  const std::string text = R"({"model_type": "qwen2", "is_llama_config": true, "transformers.js_config": {"a": 1},
      "neftune_noise_alpha": 0.0, "torch_dtype": "bfloat16", "eos_token_id": 7, "use_sliding_window": true,
      "sliding_window": 32, "max_window_layers": 3, "num_hidden_layers": 4, "unset": null})";
  LlamaConfig c = read(text);
  CHECK(c.notes == std::vector<std::string>{
                       "config.json: not used: is_llama_config, transformers.js_config, neftune_noise_alpha"});
  const auto before = nlohmann::json::parse(text);
  CHECK(nlohmann::json::parse(c.to_json()) == before);
  c.dtype = "float32";
  c.vocab_size += 5;
  auto expected = before;
  expected["torch_dtype"] = "float32";
  expected["vocab_size"] = 151941;
  CHECK(nlohmann::json::parse(c.to_json()) == expected);
  LlamaConfig five = read(R"({"model_type": "llama", "dtype": "bfloat16"})");
  five.dtype = "float32";
  CHECK(nlohmann::json::parse(five.to_json()) == nlohmann::json({{"model_type", "llama"}, {"dtype", "float32"}}));
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
  for (const char* text :
       {R"({"model_type": "llama", "attention_bias": true, "mlp_bias": true, "head_dim": 64, "torch_dtype": "bfloat16",
            "rope_scaling": {"rope_type": "llama3", "factor": 32, "low_freq_factor": 1, "high_freq_factor": 4,
                             "original_max_position_embeddings": 8192}, "eos_token_id": [2, 3]})",
        R"({"model_type": "mistral", "sliding_window": 100})", R"({"model_type": "mistral", "sliding_window": null})",
        R"({"model_type": "qwen2", "tie_word_embeddings": true, "use_sliding_window": true, "max_window_layers": 2})",
        R"({"model_type": "qwen2", "use_sliding_window": true, "num_hidden_layers": 3, "layer_types": ["full_attention",
            "sliding_attention", "full_attention"]})",
        R"({"model_type": "llama", "rope_scaling": {"type": "dynamic", "factor": 3}})",
        R"({"model_type": "llama", "rope_scaling": {"type": "yarn", "factor": 3, "mscale": 0.7, "mscale_all_dim": 0.4,
            "truncate": false, "beta_slow": 2, "original_max_position_embeddings": 100}})",
        R"({"model_type": "llama", "head_dim": 4, "rope_scaling": {"type": "longrope", "short_factor": [1, 2],
            "long_factor": [2, 3], "original_max_position_embeddings": 100}})",
        R"({"model_type": "qwen3", "attention_bias": true, "use_sliding_window": true, "max_window_layers": 2})",
        R"({"model_type": "phi3", "sliding_window": 2047})",
        R"({"model_type": "phi3", "head_dim": 8, "partial_rotary_factor": 0.5, "rope_scaling": {"type": "longrope",
            "short_factor": [1, 2], "long_factor": [2, 3]}, "original_max_position_embeddings": 100})",
        R"({"model_type": "gemma2", "query_pre_attn_scalar": 144, "attn_logit_softcapping": null})",
        R"({"model_type": "gemma3_text", "sliding_window": 512, "sliding_window_pattern": 3,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0}, "rope_local_base_freq": 5000.0})"}) {
    LlamaConfig once = read(text);
    for (const bool whole : {false, true}) {  // with the file's own text, and without
      if (whole) once.source.clear();
      const LlamaConfig twice = read(once.to_json());
      CHECK(once.own_json() == twice.own_json());
      CHECK(once.sliding_window == twice.sliding_window);
      for (int64_t i = 0; i < once.num_hidden_layers; ++i) CHECK(once.window_of(i) == twice.window_of(i));
      for (const int64_t length : {0, 10000}) CHECK(rope_frequencies(once, length) == rope_frequencies(twice, length));
      for (int64_t i = 0; i < once.num_hidden_layers; ++i) CHECK(once.local(i) == twice.local(i));
      if (once.rope_local_base_freq > 0) CHECK(local_rope_frequencies(once) == local_rope_frequencies(twice));
      CHECK(once.qkv_bias == twice.qkv_bias);
      CHECK(once.output_bias == twice.output_bias);
      CHECK(twice.notes.empty());
    }
  }
}

TEST_CASE("LlamaConfig: what is not computed is refused by name") {
  const auto refused = [](const std::string& fields, const std::string& message) {
    CHECK_THROWS_WITH_AS(read(R"({"model_type": "llama", )" + fields + "}"), message.c_str(), Error);
  };
  CHECK_THROWS_WITH_AS(
      read(R"({"model_type": "gemma"})"),
      "config.json: model_type is gemma; llama, mistral, qwen2, qwen3, phi3, gemma2 and gemma3_text are supported",
      Error);
  CHECK_THROWS_WITH_AS(read("{}"), doctest::Contains("config.json: model_type is missing; llama, mistral, qwen2"),
                       Error);
  refused(R"("rope_scaling": {"rope_type": "mrope", "factor": 4})",
          "config.json: rope_scaling: rope_type is mrope; default, linear, dynamic, llama3, yarn and longrope are "
          "supported");
  refused(R"("rope_scaling": {"rope_type": "linear"})",
          "config.json: rope_scaling: factor is missing, which linear needs");
  refused(R"("rope_scaling": {"type": "longrope", "short_factor": [1], "long_factor": [1]})",
          "config.json: rope_scaling: short_factor must be 64 numbers above 0, half of head_dim");
  refused(R"("rope_parameters": {"full_attention": {"rope_type": "default"}})",
          "config.json: rope_parameters: full_attention is an object: a rope for each kind of layer is not supported");
  refused(R"("attn_logit_softcapping": 50.0)",
          "config.json: attn_logit_softcapping is 50.0: capped scores are not supported");
  refused(R"("dual_chunk_attention_config": {"chunk_size": 262144})",
          "config.json: dual_chunk_attention_config is set: dual chunk attention is not supported");
  refused(R"("quantization_config": {"quant_method": "gptq", "bits": 4})",
          "config.json: quantization_config is set (gptq): quantised weights are not supported");
  refused(R"("use_parallel_residual": true)",
          "config.json: use_parallel_residual is true: attention beside the MLP is not supported");
  refused(R"("hidden_act": "gelu")", "config.json: hidden_act is gelu; only silu is supported");
  refused(R"("quantization_config": {"bits": 4})",
          "config.json: quantization_config is set: quantised weights are not supported");
  refused(R"("use_bidirectional_attention": true)",
          "config.json: use_bidirectional_attention is true: attention in both directions is not supported");
  CHECK_THROWS_WITH_AS(read(R"({"model_type": "gemma2", "hidden_activation": "gelu"})"),
                       "config.json: hidden_activation is gelu; only gelu_pytorch_tanh is supported", Error);
  refused(R"("num_key_value_heads": 5)",
          "config.json: num_key_value_heads is 5, which does not divide num_attention_heads, 32");
  refused(R"("head_dim": 7)", "config.json: head_dim is 7, not an even number up to 1024");
  refused(R"("partial_rotary_factor": 0.5)",
          "config.json: partial_rotary_factor is 0.5: rotary positions on a part of each head are not supported");
  CHECK(read(R"({"model_type": "llama", "some_new_switch": false, "another": null, "attention_bias": false,
                 "partial_rotary_factor": 1.0, "use_parallel_residual": false, "num_experts": 1, "pruned_heads": {},
                 "quantization_config": null, "attn_logit_softcapping": 0.0})")
            .notes.empty());
}
