// tokenizer.json: the model and the added tokens; the other components are in tokenizer_json_parts.h.
#include <algorithm>

#include "engine/error.h"
#include "models/tokenizers/bpe_tokenizer.h"
#include "models/tokenizers/tokenizer_files.h"
#include "models/tokenizers/tokenizer_json_parts.h"

namespace lowland {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

class Reader {
 public:
  explicit Reader(const fs::path& file) : folder_(file.parent_path()), name_(file.string()), parts_(name_) {}
  std::unique_ptr<Tokenizer> read();

 private:
  BpeOptions model_options(const json& model, bool byte_level) const;
  void set_unknown(const json& model, BpeOptions& options, const std::vector<std::string>& pieces) const;
  MergeList merges(const json& list) const;
  std::vector<AddedToken> added_tokens(const json& list, const BpeModel& model) const;

  fs::path folder_;
  std::string name_;
  TokenizerJsonParts parts_;
};

BpeOptions Reader::model_options(const json& model, bool byte_level) const {
  LL_CHECK(model.is_object() && model.contains("vocab"), "{}: the model has no vocabulary", name_);
  const std::string type = model.value("type", model.contains("merges") ? "BPE" : "without merges");
  if (type != "BPE") parts_.refuse("model " + type);
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (json_part(model, key).is_string() && json_part(model, key) != "")
      parts_.refuse(std::string("model BPE with ") + key);
  }
  if (json_part(model, "dropout").is_number() && json_part(model, "dropout") != 0.0)
    parts_.refuse("model BPE with dropout");
  const BpeOptions options{.byte_level = byte_level,
                           .ignore_merges = json_part(model, "ignore_merges") == true,
                           .byte_fallback = json_part(model, "byte_fallback") == true,
                           .fuse_unk = json_part(model, "fuse_unk") == true};
  if (options.byte_fallback && byte_level) parts_.refuse("model BPE with byte_fallback behind ByteLevel");
  return options;
}

void Reader::set_unknown(const json& model, BpeOptions& options, const std::vector<std::string>& pieces) const {
  const json& unknown = json_part(model, "unk_token");
  if (options.byte_level || unknown.is_null()) return;
  const auto at = std::find(pieces.begin(), pieces.end(), unknown.get<std::string>());
  LL_CHECK(at != pieces.end(), "{}: the unk_token {} is not in the vocabulary", name_, unknown.dump());
  options.unk = static_cast<int32_t>(at - pieces.begin());
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
    LL_CHECK(known < 0 || known == token.id, "{}: the added token '{}' has id {}, but {} in the vocabulary", name_,
             token.content, token.id, known);
    LL_CHECK(token.id >= 0 && token.id < size + 100000, "{}: the id of the added token '{}' is {}", name_,
             token.content, token.id);
    out.push_back(std::move(token));
  }
  return out;
}

std::unique_ptr<Tokenizer> Reader::read() {
  const json file = read_json_file(folder_ / fs::path(name_).filename());
  try {
    const json& model_part = file.at("model");
    bool byte_level = false;
    (void)model_options(model_part, false);  // what is wrong with the model is told first
    BpePipeline pipeline = parts_.pipeline(file, byte_level);
    BpeOptions options = model_options(model_part, byte_level);
    InputTemplate around = parts_.post_processor(json_part(file, "post_processor"));
    std::vector<std::string> pieces = pieces_of(model_part.at("vocab"), name_);
    set_unknown(model_part, options, pieces);
    BpeModel model(std::move(pieces), name_, options);
    model.set_merges(merges(json_part(model_part, "merges")), name_, name_, -1);
    std::vector<AddedToken> added = added_tokens(json_part(file, "added_tokens"), model);
    const SpecialIds special = special_ids(read_roles(folder_), model, added);
    return std::make_unique<BpeTokenizer>(std::move(model), std::move(added), std::move(pipeline), special,
                                          std::move(around));
  } catch (const json::exception& e) {
    fail("{}: not laid out as the tokenizers library writes it ({})", name_, e.what());
  }
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer_json(const fs::path& file) { return Reader(file).read(); }

}  // namespace lowland
