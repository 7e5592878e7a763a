// What the readers of configurations share, and generation_config.json.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/hub/config_keys.h"
#include "models/hub/generation_config.h"
#include "models/roberta/config.h"
#include "models/vit/config.h"
#include "tests/hub/hub_fixture.h"

using namespace lowland;
using namespace lowland::test;

namespace {

using nlohmann::json;
using Notes = std::vector<std::string>;

GenerationConfig read(const std::string& text) { return GenerationConfig::from_json(text, "G"); }

}  // namespace

TEST_CASE("generation_config.json: ids, sampling, and what is not supported") {
  const GenerationConfig c = read(R"({"bos_token_id": 1, "do_sample": true, "eos_token_id": [2, 369], "pad_token_id": 0,
      "temperature": 0.6, "top_k": 20, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.05, "max_length": 4096,
      "transformers_version": "4.31.0.dev0", "_from_model_config": true, "num_beams": 1, "max_new_tokens": 9})");
  CHECK(c.eos_token_ids == std::vector<int32_t>{2, 369});
  CHECK(c.pad_token_id == 0);
  CHECK(c.do_sample);
  CHECK(c.temperature == 0.6);
  CHECK(c.top_k == 20);
  CHECK(c.top_p == 0.9);
  CHECK(c.min_p == 0.05);
  CHECK(c.repetition_penalty == 1.05);
  CHECK(c.notes.empty());
  CHECK(read(R"({"eos_token_id": 7})").eos_token_ids == std::vector<int32_t>{7});
  CHECK(read(R"({"eos_token_id": null})").eos_token_ids == std::vector<int32_t>{});
  CHECK(!read("{}").eos_token_ids);
  CHECK(!read(R"({"temperature": 0.6})").do_sample);
  CHECK(read(R"({"num_beams": 3, "no_repeat_ngram_size": 0, "chat_format": "chatml"})").notes ==
        Notes{"G: num_beams is 3, which is not supported: tokens are chosen without it", "G: not used: chat_format"});
  CHECK(complaint([] { read(R"({"eos_token_id": "two"})"); }) ==
        "G: eos_token_id holds \"two\", not the id of a token");
  CHECK(complaint([] { read(R"({"eos_token_id": [1.5]})"); }) == "G: eos_token_id holds 1.5, not the id of a token");
  const Folder folder;
  CHECK(!GenerationConfig::from_folder(folder.path).eos_token_ids);
  write_file_atomically(folder / "generation_config.json", R"({"eos_token_id": 5})");
  CHECK(GenerationConfig::from_folder(folder.path).eos_token_ids == std::vector<int32_t>{5});
}

TEST_CASE("config keys: changes are made in the file's own text") {
  const std::string original =
      R"({"z": 1, "dtype": "bfloat16", "text_config": {"b": 2, "a": {"deep": [1]}}, "gone": 4})";
  const json before = {
      {"torch_dtype", "bfloat16"}, {"text_config", {{"b", 2}, {"c", 3}}}, {"gone", 4}, {"new", nullptr}};
  json now = before;
  CHECK(json::parse(json_with_changes(original, before, now)) == json::parse(original));
  now["torch_dtype"] = "float32";
  now["text_config"]["b"] = 5;
  now["new"] = {6};
  now.erase("gone");
  CHECK(json::parse(json_with_changes(original, before, now)) ==
        json::parse(R"({"z": 1, "dtype": "float32", "text_config": {"b": 5, "a": {"deep": [1]}}, "new": [6]})"));
  const std::string text = json_with_changes(original, before, now);
  CHECK(text.find("\"z\"") < text.find("\"dtype\""));  // in its own order
}

TEST_CASE("RobertaConfig, VitConfig: unknown keys are noted and kept, quantised weights refused") {
  const std::string text = R"({"model_type": "roberta", "my_note": "x", "output_past": true, "id2label": {"0": "a"},
      "label2id": {"a": 0}, "transformers_version": "4.2", "quantization_config": null})";
  RobertaConfig c = RobertaConfig::from_json(text, "F");
  CHECK(c.notes == Notes{"F: not used: my_note"});
  CHECK(json::parse(c.to_json()) == json::parse(text));
  c.set_labels({"b", "c"});
  json expected = json::parse(text);
  expected["id2label"] = {{"0", "b"}, {"1", "c"}};
  expected["label2id"] = {{"b", 0}, {"c", 1}};
  CHECK(json::parse(c.to_json()) == expected);
  CHECK(complaint([] {
          RobertaConfig::from_json(R"({"model_type": "roberta", "quantization_config": {"quant_method": "awq"}})", "F");
        }) == "F: quantization_config is set (awq): quantised weights are not supported");
  const VitConfig old = VitConfig::from_json(R"({"model_type": "clip", "text_config_dict": {"a": 1},
      "vision_config": {"hidden_size": 24, "num_attention_heads": 2, "patch_size": 16, "image_size": [32, 32]},
      "vision_config_dict": {"hidden_size": 48, "num_attention_heads": 2, "patch_size": 8}})",
                                             "F");
  CHECK(old.hidden_size == 48);
  CHECK(old.image_size == 224);  // the old key wins whole
  CHECK(old.notes.empty());
  CHECK(complaint([] {
          VitConfig::from_json(R"({"model_type": "clip_vision_model", "image_size": [32, 48]})", "F");
        }) == "F: image_size is [32,48]: only squares are supported");
}
