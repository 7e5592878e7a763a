// Every whole number of every configuration, at the ends of what a number can be: refused in one sentence that names
// it, or a model of that size has names and shapes, and a count of numbers that is none of another sign.
#include <doctest/doctest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/decoder/decoder.h"
#include "models/hub/adapter_card.h"
#include "models/hub/peft_config.h"
#include "models/images/image_processor.h"
#include "models/llama/llama.h"
#include "models/roberta/roberta.h"
#include "models/vit/vit.h"
#include "models/vlm/vlm.h"

using namespace lowland;
using nlohmann::json;

namespace {

struct Reader {
  const char* name;
  const char* valid;
  std::function<void(const std::string& text)> read;
};

void check_counts(const nn::Model& model) { CHECK(model.total_count() > 0); }

const char* const kVision = R"({"model_type":"clip_vision_model","hidden_size":16,"intermediate_size":32,
    "num_hidden_layers":2,"num_attention_heads":2,"image_size":8,"patch_size":4,"num_channels":3,"projection_dim":16})";
const char* const kText = R"({"model_type":"llama","hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,
    "num_attention_heads":4,"num_key_value_heads":2,"head_dim":8,"max_position_embeddings":64,"vocab_size":300,
    "bos_token_id":1,"eos_token_id":2,"pad_token_id":0,
    "rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
    "original_max_position_embeddings":32}})";

std::vector<Reader> readers() {
  static const std::string both =
      std::string(R"({"model_type":"llava","image_token_index":299,"vision_feature_layer":-2,
      "vision_config":)") +
      kVision + R"(,"text_config":)" + kText + "}";
  static const std::string classifier =
      std::string(R"({"model_type":"clip","id2label":{"0":"a","1":"b"},"vision_config":)") + kVision + "}";
  return {
      {"roberta",
       R"({"model_type":"roberta","hidden_size":32,"num_hidden_layers":2,"num_attention_heads":2,
               "intermediate_size":64,"max_position_embeddings":34,"type_vocab_size":1,"vocab_size":300,
               "pad_token_id":1,"bos_token_id":0,"eos_token_id":2,"num_labels":3})",
       [](const std::string& text) {
         check_counts(Roberta(RobertaConfig::from_json(text, "F"), RobertaHead::classification));
       }},
      {"llama", kText, [](const std::string& text) { check_counts(Llama(LlamaConfig::from_json(text, "F"))); }},
      {"phi3",
       R"({"model_type":"phi3","hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,"num_attention_heads":4,
           "num_key_value_heads":2,"max_position_embeddings":64,"original_max_position_embeddings":32,"vocab_size":300,
           "bos_token_id":1,"eos_token_id":2,"pad_token_id":0,"sliding_window":16,
           "rope_scaling":{"type":"longrope","short_factor":[1.0,1.0,1.0,1.0],"long_factor":[2.0,2.0,2.0,2.0]}})",
       [](const std::string& text) { check_counts(Llama(LlamaConfig::from_json(text, "F"))); }},
      {"gemma3",
       R"({"model_type":"gemma3_text","hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,
           "num_attention_heads":4,"num_key_value_heads":2,"head_dim":8,"max_position_embeddings":64,"vocab_size":300,
           "bos_token_id":1,"eos_token_id":2,"pad_token_id":0,"sliding_window":16,"sliding_window_pattern":2,
           "query_pre_attn_scalar":8})",
       [](const std::string& text) { check_counts(Llama(LlamaConfig::from_json(text, "F"))); }},
      {"gpt2",
       R"({"model_type":"gpt2","n_embd":32,"n_layer":2,"n_head":4,"n_inner":48,"n_positions":64,"vocab_size":300,
           "bos_token_id":1,"eos_token_id":2,"pad_token_id":0})",
       [](const std::string& text) { check_counts(*read_decoder_config(text, "F")->new_model()); }},
      {"vit", kVision,
       [](const std::string& text) { check_counts(Vit(VitConfig::from_json(text, "F"), VitHead::none)); }},
      {"classifier", classifier.c_str(),
       [](const std::string& text) { check_counts(Vit(VitConfig::from_json(text, "F"), VitHead::classification)); }},
      {"vlm", both.c_str(), [](const std::string& text) { check_counts(Vlm(VlmConfig::from_json(text, "F"))); }},
      {"pictures",
       R"({"image_processor_type":"CLIPImageProcessor","size":{"shortest_edge":8},"resample":3,
               "crop_size":{"height":8,"width":8},"do_resize":true,"do_center_crop":true})",
       [](const std::string& text) { ImageProcessor(ImageSettings::from_json(text, "F")); }},
      {"adapter", R"({"peft_type":"LORA","r":8,"lora_alpha":16,"target_modules":["query"],"task_type":"SEQ_CLS"})",
       [](const std::string& text) {
         const AdapterConfig config = AdapterConfig::from_json(text, "F");
         CHECK(config.r > 0);
       }},
      {"card", R"({"format":1,"max_length":512,"method":{"method":"lora"}})",
       [](const std::string& text) { AdapterCard::from_json(text, "F"); }}};
}

const json kValues = {0,
                      -1,
                      2147483648,
                      4294967296,
                      4611686018427387904,
                      9223372036854775807,
                      18446744073709551615ull,
                      18446744073709551616.0};

}  // namespace

TEST_CASE("limits: every whole number of every configuration") {
  int tried = 0;
  for (const Reader& reader : readers()) {
    CAPTURE(reader.name);
    const json valid = json::parse(reader.valid);
    reader.read(valid.dump());
    const json flat = valid.flatten();
    for (const auto& integer : flat.items()) {
      const std::string& path = integer.key();
      const json& old = integer.value();
      // Real numbers of any size, factors and no counts.
      if (!old.is_number_integer() || path == "/lora_alpha" || path == "/query_pre_attn_scalar") continue;
      for (const json& value : kValues) {
        json changed = valid;
        changed[json::json_pointer(path)] = value;
        CAPTURE(path);
        CAPTURE(value.dump());
        std::string told;
        try {
          reader.read(changed.dump());
        } catch (const Error& e) {
          told = e.what();
        }
        const bool huge = value.is_number_float() || value.get<uint64_t>() > (uint64_t{1} << 40);
        CHECK((!huge || value == -1 || told.find("F") == 0));
        CHECK(told.find('\n') == std::string::npos);
        ++tried;
      }
    }
  }
  CHECK(tried > 300);
}
