#include "models/tokenizers/tokenizer_json_parts.h"

#include "engine/error.h"
#include "models/tokenizers/mark_split.h"

namespace lowland {

using nlohmann::json;

const json& json_part(const json& object, const char* key) {
  static const json none = nullptr;
  return object.contains(key) ? object.at(key) : none;
}

std::string json_type(const json& component) {
  return component.is_object() ? component.value("type", std::string("without a type")) : "none";
}

void TokenizerJsonParts::refuse(const std::string& what) const { fail("{}: {} is not reproduced", file_, what); }

void TokenizerJsonParts::add_normalizer(const json& component, std::vector<Normalizer::Step>& steps) const {
  const std::string type = json_type(component);
  if (type == "none") return;
  if (type == "Sequence") {
    for (const json& inner : component.at("normalizers")) add_normalizer(inner, steps);
  } else if (type == "NFC") {
    steps.push_back({Normalizer::Kind::kNfc, "", ""});
  } else if (type == "Prepend") {
    steps.push_back({Normalizer::Kind::kPrepend, "", component.at("prepend").get<std::string>()});
  } else if (type == "Replace") {
    const json& pattern = component.at("pattern");
    if (!pattern.contains("String")) refuse("normalizer Replace of an expression");
    steps.push_back({Normalizer::Kind::kReplace, pattern.at("String").get<std::string>(),
                     component.at("content").get<std::string>()});
  } else {
    refuse("normalizer " + type);
  }
}

SplitExpression TokenizerJsonParts::split(const json& component) const {
  const std::string type = json_type(component);
  // Digits: each number character by itself, or runs of them.
  if (type == "Digits") {
    const bool single = component.value("individual_digits", false);
    return SplitExpression(single ? "\\p{N}|[^\\p{N}]+" : "\\p{N}+|[^\\p{N}]+", file_);
  }
  const json& pattern = component.at("pattern");
  if (!pattern.contains("Regex")) refuse("pre_tokenizer Split by a text");
  const auto behavior = component.at("behavior").get<std::string>();
  const bool invert = component.value("invert", false);
  if (behavior != "Isolated") refuse("pre_tokenizer Split with behavior " + behavior);
  if (invert) refuse("pre_tokenizer Split with invert");
  return SplitExpression(pattern.at("Regex").get<std::string>(), file_);
}

void TokenizerJsonParts::metaspace(const json& component, BpePipeline& out) const {
  LL_CHECK(component.value("replacement", std::string(kMark)) == kMark,
           "{}: the Metaspace pre_tokenizer has the mark '{}', where only U+2581 is reproduced", file_,
           component.value("replacement", ""));
  std::string scheme = component.value("prepend_scheme", std::string());
  if (scheme.empty()) scheme = component.value("add_prefix_space", true) ? "always" : "never";
  if (scheme == "always")
    out.prefix = Prefix::kMark;
  else if (scheme == "first")
    out.prefix = Prefix::kMarkAtTextStart;
  else if (scheme == "never")
    out.prefix = Prefix::kMarkNever;
  else
    refuse("pre_tokenizer Metaspace with prepend_scheme " + scheme);
  out.words = component.value("split", true) ? Words::kMarked : Words::kWhole;
}

void TokenizerJsonParts::add_pre_tokenizer(const json& component, BpePipeline& out, bool& byte_level) const {
  const std::string type = json_type(component);
  if (byte_level || out.prefix != Prefix::kNone) refuse("pre_tokenizer " + type + " behind another");
  if (type == "Sequence") {
    for (const json& inner : component.at("pretokenizers")) add_pre_tokenizer(inner, out, byte_level);
  } else if (type == "Split" || type == "Digits") {
    if (out.expression) refuse("pre_tokenizer Sequence of several expressions");
    out.expression = split(component);
    out.words = Words::kExpression;
  } else if (type == "ByteLevel") {
    byte_level = true;
    if (component.value("add_prefix_space", true)) {
      if (out.expression) refuse("pre_tokenizer ByteLevel with add_prefix_space behind another");
      out.prefix = Prefix::kSpace;
    }
    if (component.value("use_regex", true)) out.words = Words::kGpt2;
  } else if (type == "Metaspace" && !out.expression) {
    metaspace(component, out);
  } else if (type != "none") {
    refuse("pre_tokenizer " + type);
  }
}

DecodeRules TokenizerJsonParts::decoder_sequence(const json& list) const {
  DecodeRules rules{.bytes = DecodeRules::Bytes::kByteRuns};
  bool fused = false, marks = false;
  for (const json& item : list) {
    const std::string type = json_type(item);
    const json& pattern = json_part(item, "pattern");
    if (type == "Replace" && json_part(pattern, "String") == std::string(kMark) && item.at("content") == " ") {
      marks = true;
    } else if (type == "ByteFallback" && !fused) {
      rules.byte_pieces = true;
    } else if (type == "Fuse") {
      fused = true;
    } else if (type == "Strip" && fused && item.at("content") == " " && item.at("start") == 1 && item.at("stop") == 0) {
      rules.start = DecodeRules::Start::kStripSpace;
    } else {
      refuse("decoder Sequence with " + type + " there");
    }
  }
  if (!marks) refuse("decoder Sequence without the Replace of U+2581");
  return rules;
}

DecodeRules TokenizerJsonParts::decoder(const json& component) const {
  const std::string type = json_type(component);
  if (type == "ByteLevel") return {};
  if (type == "Metaspace") {
    const bool never = component.value("prepend_scheme", std::string("always")) == "never" ||
                       !component.value("add_prefix_space", true);
    return {.bytes = DecodeRules::Bytes::kByteRuns,
            .start = never ? DecodeRules::Start::kKeep : DecodeRules::Start::kDropMarks};
  }
  if (type != "Sequence") refuse("decoder " + type);
  return decoder_sequence(component.at("decoders"));
}

BpePipeline TokenizerJsonParts::pipeline(const json& whole, bool& byte_level) const {
  BpePipeline out;
  byte_level = false;
  std::vector<Normalizer::Step> steps;
  add_normalizer(json_part(whole, "normalizer"), steps);
  out.normalizer = Normalizer(std::move(steps));
  add_pre_tokenizer(json_part(whole, "pre_tokenizer"), out, byte_level);
  if (!byte_level && out.expression) refuse("pre_tokenizer Split without ByteLevel");
  out.decode = decoder(json_part(whole, "decoder"));
  return out;
}

int32_t TokenizerJsonParts::special_id(const json& id) const {
  LL_CHECK(id.is_number_unsigned() && id.get<uint64_t>() < INT32_MAX, "{}: {} in the post_processor is not an id",
           file_, id.dump());
  return id.get<int32_t>();
}

std::vector<int32_t> TokenizerJsonParts::template_items(const json& items, const json& special) const {
  std::vector<int32_t> out;
  for (const json& item : items) {
    if (item.contains("Sequence")) {
      out.push_back(item.at("Sequence").at("id") == "A" ? InputTemplate::kA : InputTemplate::kB);
    } else {
      const auto& ids = special.at(item.at("SpecialToken").at("id").get<std::string>()).at("ids");
      for (const json& id : ids) out.push_back(special_id(id));
    }
  }
  return out;
}

InputTemplate TokenizerJsonParts::post_processor(const json& component) const {
  const std::string type = json_type(component);
  if (type == "none" || type == "ByteLevel") return {};
  if (type == "RobertaProcessing") {
    const int32_t cls = special_id(component.at("cls").at(1)), sep = special_id(component.at("sep").at(1));
    return {.single = {cls, InputTemplate::kA, sep},
            .pair = {cls, InputTemplate::kA, sep, sep, InputTemplate::kB, sep}};
  }
  if (type == "TemplateProcessing") {
    return {.single = template_items(component.at("single"), component.at("special_tokens")),
            .pair = template_items(component.at("pair"), component.at("special_tokens"))};
  }
  if (type != "Sequence") refuse("post_processor " + type);
  InputTemplate found;
  int count = 0;
  for (const json& inner : component.at("processors")) {
    if (json_type(inner) == "ByteLevel") continue;
    if (++count > 1) refuse("post_processor Sequence of several templates");
    found = post_processor(inner);
  }
  return found;
}

}  // namespace lowland
