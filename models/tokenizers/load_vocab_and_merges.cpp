// Folders with vocab.json and merges.txt: what tokenizer.json would say is taken from the other small files,
// or is RoBERTa's or GPT-2's by the vocabulary.
#include <fstream>

#include "engine/error.h"
#include "models/tokenizers/input_template.h"
#include "models/tokenizers/pipeline_tokenizer.h"
#include "models/tokenizers/tokenizer_files.h"
#include "models/tokenizers/word_models/bpe_model.h"

namespace lowland {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

struct Merges {
  MergeList list;
  int first_line = 1;
};

Merges read_merges(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  LL_CHECK(in.good() && !fs::is_directory(path), "{}: cannot be opened for reading", path.string());
  Merges merges;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (number == 1 && line.starts_with("#version")) {
      merges.first_line = 2;
      continue;
    }
    if (line.empty() && in.peek() == EOF) break;
    std::pair<std::string, std::string> merge;
    LL_CHECK(split_merge(line, merge), "{}:{}: '{}' is not a merge: two pieces with one space between them",
             path.string(), number, line);
    merges.list.push_back(std::move(merge));
  }
  return merges;
}

// Other classes than these cut or join text in another way, although their files have the same names.
void check_class(const json& config, const fs::path& path) {
  if (!config.contains("tokenizer_class") || !config.at("tokenizer_class").is_string()) return;
  const auto name = config.at("tokenizer_class").get<std::string>();
  for (const char* known :
       {"Roberta", "GPT2", "Bart", "Longformer", "LED", "Qwen2", "PreTrainedTokenizer", "TokenizersBackend"}) {
    if (name.starts_with(known)) return;
  }
  fail(
      "{}: tokenizer_class {} is not one that is reproduced (RoBERTa's, GPT-2's and Qwen2's byte-level BPE "
      "are)",
      path.string(), name);
}

Pipeline qwen2_pipeline(const std::string& source) {
  Pipeline out;
  out.normalizer = unicode_form_normalizer("NFC");
  out.decoder = byte_level_decoder();
  out.expression = SplitExpression(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
      "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
      source);
  out.words = Words::kExpression;
  return out;
}

// What the files say, then RoBERTa's and GPT-2's usual tokens.
std::vector<AddedToken> added_tokens(const fs::path& folder, const json& config, const Vocabulary& model,
                                     const std::map<std::string, AddedToken>& roles) {
  std::vector<AddedToken> added = read_added_tokens(folder, config, model, roles);
  const auto put_known = [&](AddedToken token) {
    token.id = model.id_of(token.content);
    if (token.id >= 0) put_added_token(added, std::move(token));
  };
  for (const char* content : {"<s>", "<pad>", "</s>", "<unk>", "<|endoftext|>"}) put_known({.content = content});
  put_known({.content = "<mask>", .lstrip = true});
  return added;
}

}  // namespace

std::unique_ptr<Tokenizer> load_vocab_and_merges(const fs::path& vocab, const fs::path& merges_path) {
  const fs::path folder = vocab.parent_path(), config_path = folder / "tokenizer_config.json";
  const json config = read_tokenizer_config(folder);
  try {
    check_class(config, config_path);
    const auto roles = read_roles(folder);
    const Merges merges = read_merges(merges_path);
    auto bpe = std::make_unique<BpeModel>(
        Vocabulary(pieces_of(read_json_file(vocab), vocab.string()), vocab.string(), true), BpeOptions());
    BpeModel& model = *bpe;
    model.set_merges(merges.list, vocab.string(), merges_path.string(), merges.first_line);
    std::vector<AddedToken> added = added_tokens(folder, config, model.vocabulary(), roles);
    const auto size = static_cast<int32_t>(model.pieces().size());
    for (const AddedToken& token : added) {
      LL_CHECK(token.id >= 0 && token.id < size + 100000, "{}: the id of the added token '{}' is {}", folder.string(),
               token.content, token.id);
    }
    SpecialTokens special = special_tokens(roles, model.vocabulary(), added, folder.string());
    const int32_t cls = special.ids.cls, sep = special.ids.sep;
    if (config.value("tokenizer_class", "").starts_with("Qwen2")) {
      return std::make_unique<PipelineTokenizer>(std::move(bpe), std::move(added), qwen2_pipeline(config_path.string()),
                                                 std::move(special), InputTemplate());
    }
    const bool gpt2 = config.value("tokenizer_class", "").starts_with("GPT2") || model.id_of("<s>") < 0;
    const InputTemplate around = !gpt2 && cls >= 0 && sep >= 0 ? roberta_template(cls, sep) : InputTemplate();
    Pipeline pipeline;
    pipeline.decoder = byte_level_decoder();
    pipeline.words = Words::kGpt2;
    if (config.value("add_prefix_space", false)) pipeline.prefix = Prefix::kSpace;
    return std::make_unique<PipelineTokenizer>(std::move(bpe), std::move(added), std::move(pipeline),
                                               std::move(special), around);
  } catch (const std::logic_error& e) {  // json's type errors, std::stol's
    fail("{}: tokenizer_config.json or added_tokens.json is not laid out as Hugging Face writes it ({})",
         folder.string(), e.what());
  } catch (const json::exception& e) {
    fail("{}: tokenizer_config.json or added_tokens.json is not laid out as Hugging Face writes it ({})",
         folder.string(), e.what());
  }
}

}  // namespace lowland
