// tokenizer.json: the model, the added tokens, and the pre-tokenizers as the pipeline runs them fastest.
#include <algorithm>

#include "engine/error.h"
#include "models/tokenizers/input_template.h"
#include "models/tokenizers/json_parts.h"
#include "models/tokenizers/pipeline_tokenizer.h"
#include "models/tokenizers/pre_tokenizers/mark_split.h"
#include "models/tokenizers/tokenizer_files.h"
#include "models/tokenizers/word_models/bpe_model.h"

namespace lowland {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

class Reader {
 public:
  explicit Reader(const fs::path& file) : file_(file), folder_(file.parent_path()), name_(file.string()) {}
  std::unique_ptr<Tokenizer> read();

 private:
  std::string model_kind(const json& model) const;
  std::unique_ptr<WordModel> make_model(const json& model, bool byte_level) const;
  std::unique_ptr<WordModel> bpe(const json& model, bool byte_level) const;
  std::unique_ptr<WordModel> word_piece(const json& model) const;
  std::unique_ptr<WordModel> unigram(const json& model) const;
  MergeList merges(const json& list) const;
  std::vector<AddedToken> added_tokens(const json& list, const Vocabulary& vocabulary,
                                       std::vector<std::string>& notes) const;
  void read_pre_tokenizers(const json& component, bool plain_bpe, Pipeline& out, bool& byte_level) const;
  void take_byte_level(std::vector<const json*>& list, Pipeline& out) const;
  void take_expression(std::vector<const json*>& list, Pipeline& out) const;
  void take_metaspace(std::vector<const json*>& list, Pipeline& out) const;

  fs::path file_, folder_;
  std::string name_;
};

// Old files have no type: the parts tell it.
std::string Reader::model_kind(const json& model) const {
  LL_CHECK(model.is_object() && model.contains("vocab"), "{}: the model has no vocabulary", name_);
  if (model.contains("type")) return model.at("type").get<std::string>();
  if (model.contains("merges")) return "BPE";
  if (model.at("vocab").is_array()) return "Unigram";
  return model.contains("continuing_subword_prefix") ? "WordPiece" : "WordLevel";
}

std::unique_ptr<WordModel> Reader::make_model(const json& model, bool byte_level) const {
  const std::string kind = model_kind(model);
  if (kind == "BPE") return bpe(model, byte_level);
  if (kind == "WordPiece") return word_piece(model);
  if (kind == "Unigram") return unigram(model);
  if (kind != "WordLevel") fail("{}: model {} is not reproduced", name_, kind);
  Vocabulary vocabulary(pieces_of(model.at("vocab"), name_), name_, true);
  UnknownToken unknown(vocabulary, json_text(model, "unk_token"), name_);
  return word_level_model(std::move(vocabulary), std::move(unknown));
}

std::unique_ptr<WordModel> Reader::bpe(const json& model, bool byte_level) const {
  if (json_part(model, "dropout").is_number() && json_part(model, "dropout") != 0.0)
    fail("{}: model BPE with dropout is not reproduced", name_);
  BpeOptions options;
  options.byte_level = byte_level;
  options.ignore_merges = json_part(model, "ignore_merges") == true;
  options.byte_fallback = json_part(model, "byte_fallback") == true;
  options.fuse_unk = json_part(model, "fuse_unk") == true;
  options.prefix = json_text(model, "continuing_subword_prefix");
  options.suffix = json_text(model, "end_of_word_suffix");
  Vocabulary vocabulary(pieces_of(model.at("vocab"), name_), name_, true);
  options.unknown = UnknownToken(vocabulary, json_text(model, "unk_token"), name_);
  auto out = std::make_unique<BpeModel>(std::move(vocabulary), std::move(options));
  out->set_merges(merges(json_part(model, "merges")), name_, name_, -1);
  return out;
}

std::unique_ptr<WordModel> Reader::word_piece(const json& model) const {
  Vocabulary vocabulary(pieces_of(model.at("vocab"), name_), name_, true);
  WordPieceOptions options;
  options.prefix = json_text(model, "continuing_subword_prefix");
  options.max_characters = model.value("max_input_chars_per_word", size_t{100});
  options.unknown = UnknownToken(vocabulary, model.value("unk_token", "[UNK]"), name_);
  return word_piece_model(std::move(vocabulary), std::move(options));
}

std::unique_ptr<WordModel> Reader::unigram(const json& model) const {
  std::vector<std::string> pieces;
  std::vector<double> scores;
  for (const json& item : model.at("vocab")) {
    pieces.push_back(item.at(0).get<std::string>());
    scores.push_back(item.at(1).get<double>());
  }
  UnigramOptions options{.byte_fallback = json_part(model, "byte_fallback") == true, .source = name_};
  if (const json& unknown = json_part(model, "unk_id"); !unknown.is_null()) {
    const auto id = unknown.get<int64_t>();
    LL_CHECK(id >= 0 && id < static_cast<int64_t>(pieces.size()), "{}: the unk_id {} is not in the vocabulary", name_,
             id);
    options.unknown = static_cast<int32_t>(id);
  }
  return unigram_model(Vocabulary(std::move(pieces), name_, false), std::move(scores), std::move(options));
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

// The ids of the file are not read but as a check: the tokenizers library gives a token the id that the vocabulary has
// for it, or the next one that is free.
std::vector<AddedToken> Reader::added_tokens(const json& list, const Vocabulary& vocabulary,
                                             std::vector<std::string>& notes) const {
  std::vector<AddedToken> out;
  std::unordered_map<std::string, size_t> known;
  int32_t next = vocabulary.count();
  for (const json& object : list) {
    AddedToken token = added_token_of(object);
    if (token.content.empty()) continue;
    const int32_t named = token.id;
    const auto before = known.find(token.content);
    token.id = before != known.end() ? out[before->second].id : vocabulary.id_of(token.content);
    if (token.id < 0) token.id = next;
    if (token.id >= next) next = token.id + 1;
    if (named != token.id)
      notes.push_back(
          fmt::format("{}: the added token '{}' is {}, as the tokenizers library numbers it, though the "
                      "file says {}",
                      name_, token.content, token.id, named));
    if (before != known.end()) {
      token.special |= out[before->second].special;
      out[before->second] = std::move(token);
    } else {
      known.emplace(token.content, out.size());
      out.push_back(std::move(token));
    }
  }
  return out;
}

void flatten(const json& component, std::vector<const json*>& out) {
  if (component.is_null()) return;
  if (json_type(component) != "Sequence") return out.push_back(&component);
  for (const json& inner : component.at("pretokenizers")) flatten(inner, out);
}

// Byte-pair encoding takes words as bytes, so that nothing is rewritten into the byte alphabet.
void Reader::take_byte_level(std::vector<const json*>& list, Pipeline& out) const {
  const json& last = *list.back();
  const bool space = last.value("add_prefix_space", true), words = last.value("use_regex", true);
  list.pop_back();
  if (words) out.words = Words::kGpt2;
  if (space && list.empty()) {
    out.prefix = Prefix::kSpace;
  } else if (space) {
    for (const json* stage : list) out.pre_tokenizers.push_back(make_pre_tokenizer(*stage, name_));
    out.pre_tokenizers.push_back(space_pre_tokenizer());
    list.clear();
  }
}

// A last split whose every part is a word.
void Reader::take_expression(std::vector<const json*>& list, Pipeline& out) const {
  if (list.empty()) return;
  const json& last = *list.back();
  const std::string type = json_type(last);
  std::string expression;
  if (type == "Split" && json_part(last.at("pattern"), "Regex").is_string() &&
      split_behavior(last, "", name_) == SplitBehavior::kIsolated)
    expression = last.at("pattern").at("Regex").get<std::string>();
  else if (type == "Digits")
    expression = last.value("individual_digits", false) ? "\\p{digits of the pre-tokenizer}"
                                                        : "\\p{digits of the pre-tokenizer}+";
  if (expression.empty()) return;
  list.pop_back();
  out.expression = SplitExpression(expression, name_);
  if (out.words == Words::kWhole) out.words = Words::kExpression;
}

void Reader::take_metaspace(std::vector<const json*>& list, Pipeline& out) const {
  if (out.expression || list.size() != 1 || json_type(*list[0]) != "Metaspace" ||
      list[0]->value("replacement", kMark) != kMark)
    return;
  const MarkScheme scheme = mark_scheme(*list[0], name_);
  out.prefix = scheme == MarkScheme::kAlways  ? Prefix::kMark
               : scheme == MarkScheme::kFirst ? Prefix::kMarkAtTextStart
                                              : Prefix::kMarkNever;
  out.words = list[0]->value("split", true) ? Words::kMarked : Words::kWhole;
  list.clear();
}

void Reader::read_pre_tokenizers(const json& component, bool plain_bpe, Pipeline& out, bool& byte_level) const {
  std::vector<const json*> list;
  flatten(component, list);
  byte_level = plain_bpe && !list.empty() && json_type(*list.back()) == "ByteLevel";
  if (byte_level) take_byte_level(list, out);
  take_expression(list, out);
  if (!byte_level) take_metaspace(list, out);
  for (const json* stage : list) out.pre_tokenizers.push_back(make_pre_tokenizer(*stage, name_));
}

std::unique_ptr<Tokenizer> Reader::read() {
  const json file = read_json_file(file_);
  try {
    const json& model_part = file.at("model");
    const bool plain_bpe = model_kind(model_part) == "BPE" &&
                           json_text(model_part, "continuing_subword_prefix").empty() &&
                           json_text(model_part, "end_of_word_suffix").empty();
    Pipeline pipeline;
    pipeline.normalizer = make_normalizer(json_part(file, "normalizer"), name_);
    bool byte_level = false;
    read_pre_tokenizers(json_part(file, "pre_tokenizer"), plain_bpe, pipeline, byte_level);
    InputTemplate around = make_input_template(json_part(file, "post_processor"), name_);
    try {
      pipeline.decoder = make_decoder(json_part(file, "decoder"), name_);
    } catch (const Error& e) {
      pipeline.no_decoder = e.what();
    }
    auto model = make_model(model_part, byte_level);
    std::vector<std::string> notes;
    std::vector<AddedToken> added = added_tokens(json_part(file, "added_tokens"), model->vocabulary(), notes);
    SpecialTokens special = special_tokens(read_roles(folder_), model->vocabulary(), added, name_);
    special.notes.insert(special.notes.end(), notes.begin(), notes.end());
    return std::make_unique<PipelineTokenizer>(std::move(model), std::move(added), std::move(pipeline),
                                               std::move(special), std::move(around));
  } catch (const json::exception& e) {
    fail("{}: not laid out as the tokenizers library writes it ({})", name_, e.what());
  }
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer_json(const fs::path& file) { return Reader(file).read(); }

}  // namespace lowland
