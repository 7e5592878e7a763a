#include "models/tokenizers/input_template.h"

#include "models/tokenizers/json_parts.h"

namespace lowland {
namespace {

using nlohmann::json;

int32_t special_id(const json& id, const std::string& source) {
  LL_CHECK(id.is_number_unsigned() && id.get<uint64_t>() < INT32_MAX, "{}: {} in the post_processor is not an id",
           source, id.dump());
  return id.get<int32_t>();
}

std::vector<int32_t> template_items(const json& items, const json& special, const std::string& source) {
  std::vector<int32_t> out;
  for (const json& item : items) {
    if (item.contains("Sequence")) {
      out.push_back(item.at("Sequence").at("id") == "A" ? InputTemplate::kA : InputTemplate::kB);
    } else {
      const auto& ids = special.at(item.at("SpecialToken").at("id").get<std::string>()).at("ids");
      for (const json& id : ids) out.push_back(special_id(id, source));
    }
  }
  return out;
}

std::vector<int32_t> template_types(const json& items, const json& special, const std::string& source) {
  std::vector<int32_t> out;
  for (const json& item : items) {
    const bool text = item.contains("Sequence");
    const json& piece = item.at(text ? "Sequence" : "SpecialToken");
    const size_t ids = text ? 1 : special.at(piece.at("id").get<std::string>()).at("ids").size();
    out.resize(out.size() + ids, special_id(piece.value("type_id", json(0U)), source));
  }
  return out;
}

// ByteLevel changes offsets only; of the others there may be one.
InputTemplate template_sequence(const json& component, const std::string& source) {
  InputTemplate found;
  int count = 0;
  for (const json& inner : component.at("processors")) {
    if (json_type(inner) == "ByteLevel") continue;
    if (++count > 1) fail("{}: post_processor Sequence of several templates is not reproduced", source);
    found = make_input_template(inner, source);
  }
  return found;
}

struct TemplateKind {
  const char* name;
  InputTemplate (*make)(const json& component, const std::string& source);
};
constexpr TemplateKind kTemplateKinds[] = {
    {"none", [](const json&, const std::string&) { return InputTemplate(); }},
    {"ByteLevel", [](const json&, const std::string&) { return InputTemplate(); }},
    {"Sequence", template_sequence},
    {"BertProcessing",
     [](const json& c, const std::string& s) {
       return bert_template(special_id(c.at("cls").at(1), s), special_id(c.at("sep").at(1), s));
     }},
    {"RobertaProcessing",
     [](const json& c, const std::string& s) {
       return roberta_template(special_id(c.at("cls").at(1), s), special_id(c.at("sep").at(1), s));
     }},
    {"TemplateProcessing",
     [](const json& c, const std::string& s) {
       const json& special = c.at("special_tokens");
       return InputTemplate{template_items(c.at("single"), special, s), template_items(c.at("pair"), special, s),
                            template_types(c.at("single"), special, s), template_types(c.at("pair"), special, s)};
     }},
};

}  // namespace

InputTemplate make_input_template(const json& component, const std::string& source) {
  return make_component<InputTemplate>(kTemplateKinds, component, "post_processor", source);
}

InputTemplate bert_template(int32_t cls, int32_t sep) {
  return {.single = {cls, InputTemplate::kA, sep},
          .pair = {cls, InputTemplate::kA, sep, InputTemplate::kB, sep},
          .pair_types = {0, 0, 0, 1, 1}};
}

InputTemplate roberta_template(int32_t cls, int32_t sep) {
  return {.single = {cls, InputTemplate::kA, sep}, .pair = {cls, InputTemplate::kA, sep, sep, InputTemplate::kB, sep}};
}

}  // namespace lowland
