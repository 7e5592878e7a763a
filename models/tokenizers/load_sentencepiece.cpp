// tokenizer.model of sentencepiece: the BPE models of Llama 2, Mistral, TinyLlama.
#include "engine/error.h"
#include "models/tokenizers/bpe_tokenizer.h"
#include "models/tokenizers/mark_split.h"
#include "models/tokenizers/sentencepiece_file.h"
#include "models/tokenizers/tokenizer_files.h"

namespace lowland {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;
using Kind = SentencePieceFile::Kind;

void check_reproduced(const SentencePieceFile& model, const std::string& name) {
  const auto refuse = [&name](const std::string& what) {
    fail("{}: a sentencepiece model {} is not reproduced", name, what);
  };
  constexpr const char* kTypes[] = {"of an unknown type", "of type unigram", "", "of type word", "of type char"};
  if (model.model_type != 2) refuse(kTypes[model.model_type >= 1 && model.model_type <= 4 ? model.model_type : 0]);
  if (model.has_rules) refuse("with the normalization rules '" + model.normalization + "'");
  if (model.remove_extra_whitespaces) refuse("with remove_extra_whitespaces");
  if (!model.escape_whitespaces) refuse("without escape_whitespaces");
  if (model.whitespace_as_suffix) refuse("with treat_whitespace_as_suffix");
  for (const auto& piece : model.pieces) {
    LL_CHECK(!piece.text.empty(), "{}: a piece is empty", name);
    if (piece.kind == Kind::kUnused) refuse("with unused pieces");
  }
}

BpeModel bpe_of(const SentencePieceFile& file, const std::string& name) {
  BpeOptions options{.byte_level = false, .byte_fallback = file.byte_fallback, .fuse_unk = true};
  std::vector<std::string> pieces;
  std::vector<float> scores;
  std::vector<bool> usable;
  for (const auto& piece : file.pieces) {
    if (piece.kind == Kind::kUnknown) options.unk = static_cast<int32_t>(pieces.size());
    pieces.push_back(piece.text);
    scores.push_back(piece.score);
    usable.push_back(piece.kind == Kind::kNormal);
  }
  BpeModel model(std::move(pieces), name, options);
  model.set_scores(scores, usable);
  return model;
}

// Pieces that stand for themselves in text, and what the files beside the model add.
std::vector<AddedToken> added_of(const SentencePieceFile& file, const fs::path& folder, const json& config,
                                 const BpeModel& model, const std::map<std::string, AddedToken>& roles) {
  std::vector<AddedToken> added = read_added_tokens(folder, config, model, roles);
  for (AddedToken& token : added) {
    if (token.special) token.normalized = false;  // the class that reads the model looks for them in plain text
  }
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    const auto& piece = file.pieces[id];
    AddedToken token{.content = piece.text, .id = static_cast<int32_t>(id)};
    if (piece.kind == Kind::kUserDefined)
      token.special = false, token.normalized = true;
    else if (piece.kind != Kind::kControl && piece.kind != Kind::kUnknown)
      continue;
    put_added_token(added, std::move(token));
  }
  return added;
}

InputTemplate template_of(const json& config, const SpecialIds& special) {
  InputTemplate around;
  std::vector<int32_t> before, after;
  if (config.value("add_bos_token", true) && special.bos >= 0) before.push_back(special.bos);
  if (config.value("add_eos_token", false) && special.eos >= 0) after.push_back(special.eos);
  const auto wrap = [&](std::vector<int32_t>& out, int32_t text) {
    out.insert(out.end(), before.begin(), before.end());
    out.push_back(text);
    out.insert(out.end(), after.begin(), after.end());
  };
  around.single.clear();
  around.pair.clear();
  wrap(around.single, InputTemplate::kA);
  wrap(around.pair, InputTemplate::kA);
  wrap(around.pair, InputTemplate::kB);
  return around;
}

BpePipeline pipeline_of(const SentencePieceFile& file, bool legacy) {
  BpePipeline out;
  std::vector<Normalizer::Step> steps = {{Normalizer::Kind::kReplace, " ", std::string(kMark)}};
  // Legacy: sentencepiece puts its dummy prefix in front of every stretch between special tokens.
  if (file.add_dummy_prefix && legacy) steps.insert(steps.begin(), {Normalizer::Kind::kPrepend, "", " "});
  out.normalizer = Normalizer(std::move(steps));
  out.normalize_added = false;
  out.prefix = file.add_dummy_prefix && !legacy ? Prefix::kMarkAtTextStart : Prefix::kNone;
  out.decode = {.bytes = DecodeRules::Bytes::kByteRuns,
                .byte_pieces = file.byte_fallback,
                .start = file.add_dummy_prefix ? DecodeRules::Start::kStripSpace : DecodeRules::Start::kKeep};
  return out;
}

}  // namespace

std::unique_ptr<Tokenizer> load_sentencepiece(const fs::path& path) {
  const std::string name = path.string();
  const SentencePieceFile file = parse_sentencepiece(read_whole_file(path), name);
  check_reproduced(file, name);
  const fs::path folder = path.parent_path();
  const json config = read_tokenizer_config(folder);
  try {
    BpeModel model = bpe_of(file, name);
    const auto roles = read_roles(folder);
    std::vector<AddedToken> added = added_of(file, folder, config, model, roles);
    const SpecialIds special = special_ids(roles, model, added);
    const json& legacy = config.contains("legacy") ? config.at("legacy") : json(true);
    return std::make_unique<BpeTokenizer>(std::move(model), std::move(added), pipeline_of(file, legacy != false),
                                          special, template_of(config, special));
  } catch (const json::exception& e) {
    fail("{}: tokenizer_config.json or added_tokens.json is not laid out as Hugging Face writes it ({})",
         folder.string(), e.what());
  }
}

}  // namespace lowland
