// tokenizer.json: each component is either one that byte_level_bpe.h reproduces, or refused by its name.
#include "engine/error.h"
#include "models/tokenizers/byte_level_bpe.h"
#include "models/tokenizers/tokenizer_files.h"

namespace lowland {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

const json kNone = nullptr;

const json& part(const json& object, const char* key) {
  return object.contains(key) ? object.at(key) : kNone;
}

// The name of a component, for the decision and for an error.
std::string type_of(const json& component) {
  return component.is_object() ? component.value("type", std::string("without a type")) : "none";
}

class Reader {
 public:
  explicit Reader(const fs::path& folder) : folder_(folder), name_((folder / "tokenizer.json").string()) {}
  std::unique_ptr<Tokenizer> read();

 private:
  [[noreturn]] void refuse(const std::string& what) const { fail("{}: {} is not reproduced", name_, what); }
  void check_model(const json& model) const;
  ByteLevelOptions pre_tokenizer(const json& component) const;
  InputTemplate post_processor(const json& component) const;
  InputTemplate roberta(const json& component) const;
  int32_t special_id(const json& id) const;
  std::vector<int32_t> template_items(const json& items, const json& special) const;
  MergeList merges(const json& list) const;
  std::vector<AddedToken> added_tokens(const json& list, const BpeModel& model) const;

  fs::path folder_;
  std::string name_;
};

void Reader::check_model(const json& model) const {
  LL_CHECK(model.is_object() && model.contains("vocab"), "{}: the model has no vocabulary", name_);
  const std::string type = model.value("type", model.contains("merges") ? "BPE" : "without merges");
  if (type != "BPE") refuse("model " + type);
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (part(model, key).is_string() && part(model, key) != "") refuse(std::string("model BPE with ") + key);
  }
  if (part(model, "dropout").is_number() && part(model, "dropout") != 0.0) refuse("model BPE with dropout");
  if (part(model, "byte_fallback") == true) refuse("model BPE with byte_fallback");
}

ByteLevelOptions Reader::pre_tokenizer(const json& component) const {
  if (type_of(component) == "Sequence" && component.at("pretokenizers").size() == 1) {
    return pre_tokenizer(component.at("pretokenizers").at(0));
  }
  if (type_of(component) != "ByteLevel") refuse("pre_tokenizer " + type_of(component));
  return {.add_prefix_space = component.value("add_prefix_space", true),
          .use_regex = component.value("use_regex", true)};
}

int32_t Reader::special_id(const json& id) const {
  LL_CHECK(id.is_number_unsigned() && id.get<uint64_t>() < INT32_MAX,
           "{}: {} in the post_processor is not an id", name_, id.dump());
  return id.get<int32_t>();
}

InputTemplate Reader::roberta(const json& component) const {
  const int32_t cls = special_id(component.at("cls").at(1)), sep = special_id(component.at("sep").at(1));
  return {.single = {cls, InputTemplate::kA, sep},
          .pair = {cls, InputTemplate::kA, sep, sep, InputTemplate::kB, sep}};
}

std::vector<int32_t> Reader::template_items(const json& items, const json& special) const {
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

InputTemplate Reader::post_processor(const json& component) const {
  const std::string type = type_of(component);
  if (type == "none" || type == "ByteLevel") return {};
  if (type == "RobertaProcessing") return roberta(component);
  if (type == "TemplateProcessing") {
    return {.single = template_items(component.at("single"), component.at("special_tokens")),
            .pair = template_items(component.at("pair"), component.at("special_tokens"))};
  }
  if (type != "Sequence") refuse("post_processor " + type);
  InputTemplate found;
  int count = 0;
  for (const json& inner : component.at("processors")) {
    if (type_of(inner) == "ByteLevel") continue;
    if (++count > 1) refuse("post_processor Sequence of several templates");
    found = post_processor(inner);
  }
  return found;
}

MergeList Reader::merges(const json& list) const {
  LL_CHECK(list.is_array(), "{}: the model has no list of merges", name_);
  MergeList out;
  out.reserve(list.size());
  for (const json& item : list) {
    std::pair<std::string, std::string> merge;
    bool good = false;
    if (item.is_string()) {
      good = split_merge(item.get<std::string>(), merge);
    } else if (item.is_array() && item.size() == 2 && item[0].is_string() && item[1].is_string()) {
      merge = {item[0].get<std::string>(), item[1].get<std::string>()};
      good = true;
    }
    LL_CHECK(good, "{}: merge {} is {}, not a pair of pieces", name_, out.size(), item.dump());
    out.push_back(std::move(merge));
  }
  return out;
}

std::vector<AddedToken> Reader::added_tokens(const json& list, const BpeModel& model) const {
  std::vector<AddedToken> out;
  const auto size = static_cast<int32_t>(model.pieces().size());
  for (const json& object : list) {
    AddedToken token = added_token_of(object);
    const int32_t known = model.id_of(token.content);
    LL_CHECK(known < 0 || known == token.id, "{}: the added token '{}' has id {}, but {} in the vocabulary",
             name_, token.content, token.id, known);
    LL_CHECK(token.id >= 0 && token.id < size + 100000, "{}: the id of the added token '{}' is {}", name_,
             token.content, token.id);
    out.push_back(std::move(token));
  }
  return out;
}

std::unique_ptr<Tokenizer> Reader::read() {
  const json file = read_json_file(folder_ / "tokenizer.json");
  try {
    const json& model_part = file.at("model");
    check_model(model_part);
    const json& normalizer = part(file, "normalizer");
    const bool empty_sequence = type_of(normalizer) == "Sequence" && part(normalizer, "normalizers").empty();
    if (!normalizer.is_null() && !empty_sequence) refuse("normalizer " + type_of(normalizer));
    if (type_of(part(file, "decoder")) != "ByteLevel") refuse("decoder " + type_of(part(file, "decoder")));
    const ByteLevelOptions options = pre_tokenizer(part(file, "pre_tokenizer"));
    InputTemplate around = post_processor(part(file, "post_processor"));
    BpeModel model(pieces_of(model_part.at("vocab"), name_), merges(part(model_part, "merges")), name_, name_,
                   -1, part(model_part, "ignore_merges") == true);
    std::vector<AddedToken> added = added_tokens(part(file, "added_tokens"), model);
    const SpecialIds special = special_ids(read_roles(folder_), model, added);
    return std::make_unique<ByteLevelBpe>(std::move(model), AddedTokens(std::move(added)), options, special,
                                          std::move(around));
  } catch (const json::exception& e) {
    fail("{}: not laid out as the tokenizers library writes it ({})", name_, e.what());
  }
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer_json(const fs::path& folder) { return Reader(folder).read(); }

}  // namespace lowland
