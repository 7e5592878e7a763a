// tokenizer.model of Llama 3 as Meta releases it: lines `BASE64 RANK` of byte strings, the format of
// tiktoken. What the file does not have (the expression, 256 special tokens behind its pieces) is written in
// Meta's code, and here.
#include <array>

#include "engine/error.h"
#include "models/tokenizers/byte_alphabet.h"
#include "models/tokenizers/json_parts.h"
#include "models/tokenizers/pipeline_tokenizer.h"
#include "models/tokenizers/tokenizer_files.h"
#include "models/tokenizers/word_models/bpe_model.h"

namespace lowland {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr size_t kLlama3Pieces = 128000;
constexpr int kSpecials = 256;
constexpr const char* kExpression =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

// Pieces in the byte alphabet, by rank.
std::vector<std::string> read_pieces(const std::string& text, const std::string& name) {
  const ByteAlphabet alphabet;
  std::vector<std::string> pieces;
  std::string bytes;
  size_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t newline = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, newline);
    rest.remove_prefix(std::min(newline + 1, rest.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const size_t space = std::min(line.find(' '), line.size());
    const std::string_view rank = line.substr(std::min(space + 1, line.size()));
    LL_CHECK(base64_decode(line.substr(0, space), bytes) && !bytes.empty() && rank == std::to_string(pieces.size()),
             "{}:{}: '{}' is not a piece in base64 and its rank {}", name, number, line.substr(0, 80), pieces.size());
    std::string& piece = pieces.emplace_back();
    for (const char byte : bytes) piece += alphabet.character(static_cast<uint8_t>(byte));
  }
  LL_CHECK(pieces.size() <= kLlama3Pieces, "{}: it has {} pieces, and Llama 3's {} are the most that is reproduced",
           name, pieces.size(), kLlama3Pieces);
  return pieces;
}

// Llama 3.1 named three of the 3.0 release's reserved tokens.
std::array<std::string, kSpecials> special_names(bool llama31) {
  std::array<std::string, kSpecials> names;
  names[0] = "<|begin_of_text|>";
  names[1] = "<|end_of_text|>";
  names[6] = "<|start_header_id|>";
  names[7] = "<|end_header_id|>";
  names[9] = "<|eot_id|>";
  if (llama31) {
    names[4] = "<|finetune_right_pad_id|>";
    names[8] = "<|eom_id|>";
    names[10] = "<|python_tag|>";
  }
  int reserved = 0;
  for (std::string& name : names) {
    if (name.empty()) name = fmt::format("<|reserved_special_token_{}|>", reserved++);
  }
  return names;
}

// 3.1 and later scale their rotary embedding; Meta's params.json says so.
bool is_llama31(const fs::path& folder) {
  const fs::path file = folder / "params.json";
  if (!fs::exists(file)) return false;
  const json params = read_json_file(file);
  return params.is_object() && params.contains("use_scaled_rope") && params.at("use_scaled_rope") == true;
}

}  // namespace

std::unique_ptr<Tokenizer> load_tiktoken(const fs::path& path) {
  const std::string name = path.string();
  const fs::path folder = path.parent_path();
  std::vector<std::string> pieces = read_pieces(read_whole_file(path), name);
  const auto count = static_cast<int32_t>(pieces.size());
  std::vector<float> scores;
  for (int32_t rank = 0; rank < count; ++rank) scores.push_back(-static_cast<float>(rank));
  auto bpe = std::make_unique<BpeModel>(Vocabulary(std::move(pieces), name, true), BpeOptions{.ignore_merges = true});
  BpeModel& model = *bpe;
  model.set_scores(scores, std::vector<bool>(scores.size(), true));

  const json config = read_tokenizer_config(folder);
  std::vector<AddedToken> added;
  const auto roles = read_roles(folder);
  try {
    added = read_added_tokens(folder, config, model.vocabulary(), roles);
  } catch (const json::exception& e) {
    fail("{}: tokenizer_config.json is not laid out as Hugging Face writes it ({})", folder.string(), e.what());
  }
  const auto names = special_names(is_llama31(folder));
  for (int32_t i = 0; i < kSpecials; ++i) {
    const auto same_id = [&](const AddedToken& token) { return token.id == count + i; };
    if (std::none_of(added.begin(), added.end(), same_id))
      put_added_token(added, {.content = names[i], .id = count + i});
  }
  SpecialTokens special = special_tokens(roles, model.vocabulary(), added, name);
  Pipeline pipeline;
  pipeline.decoder = byte_level_decoder();
  pipeline.expression = SplitExpression(kExpression, name);
  pipeline.words = Words::kExpression;
  InputTemplate around{.single = {special.ids.bos, InputTemplate::kA},
                       .pair = {special.ids.bos, InputTemplate::kA, special.ids.bos, InputTemplate::kB}};
  return std::make_unique<PipelineTokenizer>(std::move(bpe), std::move(added), std::move(pipeline), std::move(special),
                                             around);
}

}  // namespace lowland
