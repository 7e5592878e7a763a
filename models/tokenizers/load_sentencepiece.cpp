// The models of sentencepiece: BPE of Llama 2, Mistral, TinyLlama; Unigram, and those of XLM-R and CamemBERT, whose ids
// are not the file's.
#include "engine/error.h"
#include "models/tokenizers/input_template.h"
#include "models/tokenizers/json_parts.h"
#include "models/tokenizers/pipeline_tokenizer.h"
#include "models/tokenizers/pre_tokenizers/mark_split.h"
#include "models/tokenizers/sentencepiece_file.h"
#include "models/tokenizers/tokenizer_files.h"
#include "models/tokenizers/word_models/bpe_model.h"

namespace lowland {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;
using PieceKind = SentencePieceFile::Kind;

void check_reproduced(const SentencePieceFile& model, const std::string& name) {
  const auto refuse = [&name](const std::string& what) {
    fail("{}: a sentencepiece model {} is not reproduced", name, what);
  };
  constexpr const char* kTypes[] = {"of an unknown type", "", "", "of type word", "of type char"};
  if (model.model_type != 1 && model.model_type != 2)
    refuse(kTypes[model.model_type >= 1 && model.model_type <= 4 ? model.model_type : 0]);
  if (!model.escape_whitespaces) refuse("without escape_whitespaces");
  if (model.whitespace_as_suffix) refuse("with treat_whitespace_as_suffix");
  for (const auto& piece : model.pieces) {
    LL_CHECK(!piece.text.empty(), "{}: a piece is empty", name);
    if (piece.kind == PieceKind::kUnused && model.model_type == 2) refuse("with unused pieces");
  }
}

std::unique_ptr<WordModel> model_of(const SentencePieceFile& file, const std::string& name) {
  std::vector<std::string> pieces;
  std::vector<float> scores;
  std::vector<bool> usable;
  std::string unknown;
  for (const auto& piece : file.pieces) {
    if (piece.kind == PieceKind::kUnknown) unknown = piece.text;
    pieces.push_back(piece.text);
    scores.push_back(piece.score);
    usable.push_back(piece.kind == PieceKind::kNormal);
  }
  const bool bpe = file.model_type == 2;
  Vocabulary vocabulary(std::move(pieces), name, bpe);
  if (!bpe) {
    const UnigramOptions options{vocabulary.id_of(unknown), file.byte_fallback, name};
    return unigram_model(std::move(vocabulary), {scores.begin(), scores.end()}, options);
  }
  BpeOptions options{.byte_level = false, .byte_fallback = file.byte_fallback, .fuse_unk = true};
  options.unknown = UnknownToken(vocabulary, unknown, name);
  auto out = std::make_unique<BpeModel>(std::move(vocabulary), std::move(options));
  out->set_scores(scores, usable);
  return out;
}

// Pieces that stand for themselves in text, and what the files beside the model add.
std::vector<AddedToken> added_of(const SentencePieceFile& file, const fs::path& folder, const json& config,
                                 const Vocabulary& vocabulary, const std::map<std::string, AddedToken>& roles) {
  std::vector<AddedToken> added = read_added_tokens(folder, config, vocabulary, roles);
  for (AddedToken& token : added) {
    if (token.special) token.normalized = false;  // the class that reads the model looks for them in plain text
  }
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    const auto& piece = file.pieces[id];
    AddedToken token{.content = piece.text, .id = static_cast<int32_t>(id)};
    if (piece.kind == PieceKind::kUserDefined)
      token.special = false, token.normalized = true;
    else if (piece.kind != PieceKind::kControl && piece.kind != PieceKind::kUnknown)
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

Pipeline pipeline_of(const SentencePieceFile& file, bool legacy, const std::string& name) {
  Pipeline out;
  std::vector<NormalizerPtr> steps;
  if (!file.rules.empty()) steps.push_back(precompiled_normalizer(file.rules, name));
  if (file.remove_extra_whitespaces) steps.push_back(extra_spaces_normalizer());
  // Legacy: sentencepiece puts its dummy prefix in front of every stretch between special tokens.
  if (file.add_dummy_prefix && legacy) steps.push_back(prepend_normalizer(" "));
  steps.push_back(replace_normalizer(" ", std::string(kMark)));
  out.normalizer = sequence_normalizer(std::move(steps));
  out.normalize_added = false;
  out.prefix = file.add_dummy_prefix && !legacy ? Prefix::kMarkAtTextStart : Prefix::kNone;
  out.decoder = sentencepiece_decoder(file.byte_fallback, file.add_dummy_prefix);
  return out;
}

// XLM-R and CamemBERT were trained with fairseq, which has ids of its own: a few tokens, then the file's pieces but for
// its first ones, then <mask>. The whole as transformers builds it.
std::unique_ptr<Tokenizer> fairseq_tokenizer(const SentencePieceFile& file, bool camembert, const fs::path& folder,
                                             const json& config, const std::string& name) {
  std::vector<std::string> pieces = {"<s>", "<pad>", "</s>", "<unk>"};
  std::vector<double> scores(4, 0);
  if (camembert) {
    pieces = {"<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED"};
    scores = {0, 0, 0, 0, -100};
  }
  for (size_t i = camembert ? 1 : 3; i < file.pieces.size(); ++i) {
    pieces.push_back(file.pieces[i].text);
    scores.push_back(file.pieces[i].score);
  }
  pieces.emplace_back("<mask>");
  scores.push_back(0);
  Vocabulary vocabulary(std::move(pieces), name, false);
  const auto roles = read_roles(folder);
  std::vector<AddedToken> added = read_added_tokens(folder, config, vocabulary, roles);
  for (const char* content : {"<s>", "<pad>", "</s>", "<unk>", "<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"}) {
    const int32_t id = vocabulary.id_of(content);
    if (id >= 0) put_added_token(added, {.content = content, .id = id});
  }
  put_added_token(added, {.content = "<mask>", .id = vocabulary.id_of("<mask>"), .lstrip = true});
  SpecialTokens special = special_tokens(roles, vocabulary, added, name);
  const InputTemplate around = roberta_template(special.ids.bos, special.ids.eos);
  Pipeline pipeline;
  if (!file.rules.empty()) pipeline.normalizer = precompiled_normalizer(file.rules, name);
  const bool space = config.value("add_prefix_space", true);
  for (const json& part :
       {json{{"type", "WhitespaceSplit"}}, json{{"type", "Metaspace"}, {"prepend_scheme", space ? "always" : "never"}}})
    pipeline.pre_tokenizers.push_back(make_pre_tokenizer(part, name));
  pipeline.decoder = make_decoder({{"type", "Metaspace"}, {"prepend_scheme", space ? "always" : "never"}}, name);
  auto model = unigram_model(std::move(vocabulary), std::move(scores), {.unknown = 3, .source = name});
  return std::make_unique<PipelineTokenizer>(std::move(model), std::move(added), std::move(pipeline),
                                             std::move(special), around);
}

// Which of the two a folder is of: by its tokenizer_config.json, or its config.json.
std::string fairseq_kind(const fs::path& path, const json& config) {
  const std::string named = json_text(config, "tokenizer_class");
  if (named.starts_with("Camembert")) return "camembert";
  if (named.starts_with("XLMRoberta")) return "xlm-roberta";
  const fs::path model = path.parent_path() / "config.json";
  std::string type = fs::exists(model) ? json_text(read_json_file(model), "model_type") : "";
  if (type.empty() && path.filename() == "sentencepiece.bpe.model") type = "xlm-roberta";
  return type;
}

}  // namespace

std::unique_ptr<Tokenizer> load_sentencepiece(const fs::path& path) {
  const std::string name = path.string();
  const SentencePieceFile file = parse_sentencepiece(read_whole_file(path), name);
  check_reproduced(file, name);
  const fs::path folder = path.parent_path();
  const json config = read_tokenizer_config(folder);
  try {
    const std::string kind = fairseq_kind(path, config);
    if (file.model_type == 1 && (kind == "camembert" || kind == "xlm-roberta"))
      return fairseq_tokenizer(file, kind == "camembert", folder, config, name);
    auto model = model_of(file, name);
    const auto roles = read_roles(folder);
    std::vector<AddedToken> added = added_of(file, folder, config, model->vocabulary(), roles);
    SpecialTokens special = special_tokens(roles, model->vocabulary(), added, name);
    const InputTemplate around = template_of(config, special.ids);
    const bool legacy = !config.contains("legacy") || config.at("legacy") != false;
    return std::make_unique<PipelineTokenizer>(std::move(model), std::move(added), pipeline_of(file, legacy, name),
                                               std::move(special), around);
  } catch (const json::exception& e) {
    fail("{}: tokenizer_config.json or added_tokens.json is not laid out as Hugging Face writes it ({})",
         folder.string(), e.what());
  }
}

}  // namespace lowland
