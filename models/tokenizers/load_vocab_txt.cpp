// vocab.txt: BERT's WordPiece, a piece a line; what else tokenizer.json would say is in tokenizer_config.json.
#include "engine/error.h"
#include "models/tokenizers/input_template.h"
#include "models/tokenizers/json_parts.h"
#include "models/tokenizers/pipeline_tokenizer.h"
#include "models/tokenizers/tokenizer_files.h"

namespace lowland {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

// The lines; of equal ones the last counts, as in transformers.
Vocabulary read_lines(const fs::path& path) {
  std::vector<std::string> pieces;
  const std::string text = read_whole_file(path);
  for (std::string_view rest = text; !rest.empty();) {
    const size_t newline = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, newline);
    rest.remove_prefix(std::min(newline + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    pieces.emplace_back(line);
  }
  LL_CHECK(!pieces.empty(), "{}: no piece in it", path.string());
  return {std::move(pieces), path.string(), false};
}

void check_word_piece_class(const json& config, const fs::path& folder) {
  const std::string name = json_text(config, "tokenizer_class");
  for (const char* known : {"Bert", "DistilBert", "Electra", "MPNet", "PreTrainedTokenizer", "TokenizersBackend"}) {
    if (name.empty() || name.starts_with(known)) return;
  }
  fail("{}: tokenizer_class {} with vocab.txt is not one that is reproduced (BERT's WordPiece is)",
       (folder / "tokenizer_config.json").string(), name);
}

}  // namespace

std::unique_ptr<Tokenizer> load_vocab_txt(const fs::path& path) {
  const fs::path folder = path.parent_path();
  const json config = read_tokenizer_config(folder);
  try {
    check_word_piece_class(config, folder);
    Vocabulary vocabulary = read_lines(path);
    const auto roles = read_roles(folder);
    std::vector<AddedToken> added = read_added_tokens(folder, config, vocabulary, roles);
    for (const char* content : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) {
      const int32_t id = vocabulary.id_of(content);
      if (id >= 0) put_added_token(added, {.content = content, .id = id});
    }
    SpecialTokens special = special_tokens(roles, vocabulary, added, path.string());
    const InputTemplate around = special.ids.cls >= 0 && special.ids.sep >= 0
                                     ? bert_template(special.ids.cls, special.ids.sep)
                                     : InputTemplate();
    const bool lower = config.value("do_lower_case", true);
    const json& accents = json_part(config, "strip_accents");
    Pipeline pipeline;
    pipeline.normalizer = bert_normalizer(true, config.value("tokenize_chinese_chars", true),
                                          accents.is_boolean() ? accents.get<bool>() : lower, lower);
    pipeline.pre_tokenizers.push_back(bert_pre_tokenizer());
    pipeline.decoder = word_piece_decoder();
    const auto unknown = roles.find("unk_token");
    WordPieceOptions options;
    options.unknown =
        UnknownToken(vocabulary, unknown == roles.end() ? "[UNK]" : unknown->second.content, path.string());
    return std::make_unique<PipelineTokenizer>(word_piece_model(std::move(vocabulary), std::move(options)),
                                               std::move(added), std::move(pipeline), std::move(special), around);
  } catch (const json::exception& e) {
    fail("{}: tokenizer_config.json or added_tokens.json is not laid out as Hugging Face writes it ({})",
         folder.string(), e.what());
  }
}

}  // namespace lowland
