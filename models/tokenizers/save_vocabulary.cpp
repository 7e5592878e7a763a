#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/tokenizers/train_bpe.h"

namespace lowland {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  LL_CHECK(!out.fail(), "{}: cannot be written", path.string());
}

// {role: token} of RoBERTa for the special tokens there are. `<mask>` takes the space before it along.
json roles_of(const BpeVocabulary& vocabulary) {
  const auto has = [&](const char* token) {
    return std::find(vocabulary.pieces.begin(), vocabulary.pieces.end(), token) != vocabulary.pieces.end();
  };
  json roles = json::object();
  for (const auto& [role, token] : {std::pair{"bos_token", "<s>"},
                                    {"cls_token", "<s>"},
                                    {"eos_token", "</s>"},
                                    {"sep_token", "</s>"},
                                    {"pad_token", "<pad>"},
                                    {"unk_token", "<unk>"}}) {
    if (has(token)) roles[role] = token;
  }
  if (has("<mask>")) {
    roles["mask_token"] = {{"content", "<mask>"},
                           {"lstrip", true},
                           {"normalized", false},
                           {"rstrip", false},
                           {"single_word", false}};
  }
  return roles;
}

}  // namespace

void save_vocabulary(const BpeVocabulary& vocabulary, const std::string& folder, int64_t max_length) {
  const fs::path dir(folder);
  std::error_code error;
  fs::create_directories(dir, error);
  LL_CHECK(fs::is_directory(dir), "{}: cannot be made", folder);
  std::string vocab = "{";
  for (size_t id = 0; id < vocabulary.pieces.size(); ++id) {  // by id, which a json object would not keep
    vocab += fmt::format("{}{}:{}", id ? "," : "", json(vocabulary.pieces[id]).dump(), id);
  }
  write(dir / "vocab.json", vocab + "}\n");
  std::string merges = "#version: 0.2\n";
  for (const auto& [left, right] : vocabulary.merges) {
    merges += fmt::format("{} {}\n", vocabulary.pieces[static_cast<size_t>(left)],
                          vocabulary.pieces[static_cast<size_t>(right)]);
  }
  write(dir / "merges.txt", merges);
  json config = roles_of(vocabulary);
  write(dir / "special_tokens_map.json", config.dump(2) + "\n");
  if (config.contains("mask_token")) {  // this file, and only this one, marks an object with flags
    config["mask_token"].update({{"__type", "AddedToken"}, {"special", true}});
  }
  config.update({{"add_prefix_space", false},
                 {"model_max_length", max_length},
                 {"tokenizer_class", "RobertaTokenizer"}});
  write(dir / "tokenizer_config.json", config.dump(2) + "\n");
}

}  // namespace lowland
