#include "models/gguf/pre_tokenizers.h"

#include <algorithm>
#include <iterator>

#include <nlohmann/json.hpp>

namespace lowland {
namespace {

// The expressions are those of the models' own tokenizer.json.
constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kTekken = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
                                R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}|)"
                                R"( ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Of several names of one kind the first is written. Source of names: llama-vocab.cpp of llama.cpp.
constexpr GgufPre kPres[] = {
    {"llama-bpe", kLlama3, false, false, true, true},   {"llama3", kLlama3, false, false, true, true},
    {"llama-v3", kLlama3, false, false, true, true},    {"falcon3", kLlama3, false, false, true, true},
    {"smaug-bpe", kLlama3, false, false, false, false}, {"dbrx", kLlama3, false, false, false, false},
    {"qwen2", kQwen2, false, true, false, false},       {"deepseek-r1-qwen", kQwen2, false, true, false, true},
    {"smollm", nullptr, true, false, false, false},     {"gpt-2", nullptr, false, false, false, false},
    {"tekken", kTekken, false, false, true, true},      {"gpt-4o", kGpt4o, false, false, false, false}};

template <class F> const GgufPre* first_pre(const F& fits) {
  const auto* found = std::find_if(std::begin(kPres), std::end(kPres), fits);
  return found == std::end(kPres) ? nullptr : found;
}

nlohmann::json byte_level(bool words) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", words}};
}

// What matters of a component: a Sequence of one is that one.
nlohmann::json essence(const nlohmann::json& component) {
  if (!component.is_object()) return {};
  nlohmann::json parts = nlohmann::json::array();
  const bool sequence = component.value("type", "") == "Sequence" && component.contains("pretokenizers");
  for (const auto& part : sequence ? component.at("pretokenizers") : nlohmann::json::array({component})) {
    if (!part.is_object()) return {};
    nlohmann::json kept = part;
    kept.erase("trim_offsets");
    if (kept.value("type", "") == "ByteLevel") kept.emplace("use_regex", true);  // of older files
    parts.push_back(std::move(kept));
  }
  return parts;
}

}  // namespace

const GgufPre* gguf_pre(const std::string& name) {
  return first_pre([&](const GgufPre& p) { return name == p.name; });
}

std::string gguf_pre_names() {
  std::string names;
  for (const GgufPre& p : kPres) names += (names.empty() ? "" : ", ") + std::string(p.name);
  return names;
}

nlohmann::json pre_tokenizer_json(const GgufPre& pre) {
  if (pre.expression == nullptr && !pre.digits) return byte_level(true);
  const nlohmann::json words = pre.digits ? nlohmann::json{{"type", "Digits"}, {"individual_digits", true}}
                                          : nlohmann::json{{"type", "Split"},
                                                           {"pattern", {{"Regex", pre.expression}}},
                                                           {"behavior", "Isolated"},
                                                           {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", {words, byte_level(pre.expression == nullptr)}}};
}

const GgufPre* gguf_pre_of(const nlohmann::json& tokenizer) {
  const auto part = [&](const char* name) { return tokenizer.contains(name) ? tokenizer.at(name) : nlohmann::json(); };
  const nlohmann::json pre = essence(part("pre_tokenizer")), normalizer = part("normalizer"), model = part("model");
  const bool composed = normalizer.is_object() && normalizer.value("type", "") == "NFC";
  const bool whole = model.is_object() && model.contains("ignore_merges") && model.at("ignore_merges") == true;
  if (!normalizer.is_null() && !composed) return nullptr;
  return first_pre([&](const GgufPre& p) {
    return p.composed == composed && p.ignore_merges == whole && essence(pre_tokenizer_json(p)) == pre;
  });
}

}  // namespace lowland
