#include "models/hub/adapter_card.h"

#include <filesystem>

#include "engine/io/atomic_file.h"
#include "models/hub/json_keys.h"
#include "models/tokenizers/printable.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

using nlohmann::ordered_json;

// A JSON text is a Python and a YAML text, too; not ASCII-escaped, since Python reads surrogate pairs
// otherwise.
std::string quoted(const std::string& text) {
  return ordered_json(text).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string python_labels(const std::vector<std::string>& labels, bool id_first) {
  std::string text;
  for (size_t i = 0; i < labels.size(); ++i) {
    text += i ? ", " : "";
    text += id_first ? fmt::format("{}: {}", i, quoted(labels[i])) : fmt::format("{}: {}", quoted(labels[i]), i);
  }
  return "{" + text + "}";
}

std::string python_class(const AdapterConfig& config) {
  if (config.task_type == "SEQ_CLS") return "AutoModelForSequenceClassification";
  if (config.base_model_class == "LlavaForConditionalGeneration") return config.base_model_class;
  if (config.task_type == "CAUSAL_LM") return "AutoModelForCausalLM";
  return config.base_model_class.empty() ? "AutoModel" : config.base_model_class;
}

}  // namespace

std::vector<std::string> unnamed_labels(int64_t classes) {
  std::vector<std::string> labels;
  for (int64_t i = 0; i < classes; ++i) labels.push_back(fmt::format("LABEL_{}", i));
  return labels;
}

std::string AdapterCard::to_json() const {
  ordered_json j;
  j["format"] = 1;
  j["task"] = task;
  j["id2label"] = ordered_json::object();
  for (size_t i = 0; i < labels.size(); ++i) j["id2label"][std::to_string(i)] = labels[i];
  j["problem_type"] = problem_type.empty() ? ordered_json(nullptr) : ordered_json(problem_type);
  j["max_length"] = max_length;
  if (vocabulary > 0) j["vocabulary"] = vocabulary;
  if (!prompt_template.empty()) {
    j["template"] = prompt_template;
    j["label_words"] = label_words;
  }
  if (!prompt_style.empty()) j["prompt_style"] = prompt_style;
  j["method"] = ordered_json::parse(method_json, nullptr, false);
  LL_CHECK(j["method"].is_object(), "the method's settings are not a JSON object: {}", method_json);
  j["base_fingerprint"] = base_fingerprint;
  return j.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

AdapterCard AdapterCard::from_json(const std::string& text, const std::string& file_name) {
  const JsonKeys keys(text, file_name);
  if (keys.whole("format", 1) != 1) keys.refuse("format", "is newer than this program");
  AdapterCard card;
  card.task = keys.text("task", "");
  if (keys.has("id2label")) {
    if (!keys.at("id2label").is_object()) keys.refuse("id2label", "does not map ids to labels");
    for (size_t i = 0; i < keys.at("id2label").size(); ++i) {
      const auto& map = keys.at("id2label");
      const auto it = map.find(std::to_string(i));
      if (it == map.end() || !it->is_string()) keys.refuse("id2label", fmt::format("has no label {}", i));
      card.labels.push_back(it->get<std::string>());
    }
  }
  card.problem_type = keys.text("problem_type", "");
  card.max_length = keys.whole("max_length", 0);
  card.vocabulary = keys.whole("vocabulary", 0);
  card.prompt_template = keys.text("template", "");
  card.label_words = keys.texts("label_words");
  card.prompt_style = keys.text("prompt_style", "");
  if (keys.has("method")) {
    if (!keys.at("method").is_object()) keys.refuse("method", "is not an object");
    card.method_json = keys.at("method").dump();
  }
  card.base_fingerprint = keys.text("base_fingerprint", "");
  return card;
}

std::optional<AdapterCard> read_adapter_card(const std::string& adapter_folder) {
  const fs::path path = fs::path(adapter_folder) / "lowland.json";
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  return AdapterCard::from_json(read_file(path.string(), 64 << 20), path.string());
}

std::string adapter_readme(const AdapterConfig& config, const AdapterCard& card, int64_t classes) {
  // Python reads a file of llama2.c as the folder that `convert` makes of it.
  const std::string& given = config.base_model_name_or_path;
  const bool file = given.ends_with(".bin");
  const std::string folder = file ? fs::path(given).stem().string() : given;
  const std::string cls = python_class(config), base = quoted(folder);
  const bool gguf = given.ends_with(".gguf");
  const fs::path path(given);
  std::string arguments =
      gguf ? fmt::format("{}, gguf_file={}", quoted(path.parent_path().string()), quoted(path.filename().string()))
           : base;
  if (config.task_type == "SEQ_CLS") {
    // Without labels, as a regression's one output, they are called as in transformers.
    const std::vector<std::string> labels = card.labels.empty() ? unnamed_labels(classes) : card.labels;
    arguments += fmt::format(", num_labels={},\n    id2label={},\n    label2id={}", labels.size(),
                             python_labels(labels, true), python_labels(labels, false));
    if (card.problem_type == "multi_label_classification")
      arguments += ",\n    problem_type=\"multi_label_classification\"";
  }
  std::string text = fmt::format("---\nlibrary_name: peft\nbase_model: {}\ntags:\n- lora\n---\n\n", base);
  text += fmt::format("# LoRA adapter for {}\n\n", printable(config.base_model_name_or_path));
  text += fmt::format("Trained with Lowland{}. Rank {}, alpha {}.\n\n",
                      card.task.empty() ? "" : " on " + printable(card.task), config.r, config.lora_alpha);
  if (file)
    text += fmt::format(
        "The base is a file of llama2.c. First, beside it:\n\n```sh\n"
        "lowland-llama convert --model {} --out {}    # --tokenizer FILE, unless tokenizer.bin lies there\n```\n\n",
        printable(fs::path(given).filename().string()), printable(folder));
  // A processor holds the tokenizer, and prepares pictures.
  const bool pictures = cls == "LlavaForConditionalGeneration";
  const std::string before = pictures ? "AutoProcessor" : "AutoTokenizer", name = pictures ? "processor" : "tokenizer";
  text += fmt::format(
      "```python\nfrom peft import PeftModel\nfrom transformers import {}, {}\n\n"
      "base = {}.from_pretrained(\n    {})\n{}"
      "model = PeftModel.from_pretrained(base, \".\")  # the folder of this file\n"
      "{} = {}.from_pretrained({})\n```\n",
      cls, before, cls, arguments,
      card.vocabulary > 0 ? fmt::format("base.resize_token_embeddings({})\n", card.vocabulary) : "", name, before,
      card.vocabulary > 0 || gguf ? "\".\"" : base);
  return text;
}

}  // namespace lowland
