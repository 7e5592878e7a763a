#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
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
json roles_of(const BpeVocabulary& vocabulary, TokenizerUse use) {
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
    const bool masked_only = std::string(role) == "cls_token" || std::string(role) == "sep_token";
    if (has(token) && (use == TokenizerUse::masked || !masked_only)) roles[role] = token;
  }
  if (has("<mask>") && use == TokenizerUse::masked) {
    roles["mask_token"] = {
        {"content", "<mask>"}, {"lstrip", true}, {"normalized", false}, {"rstrip", false}, {"single_word", false}};
  }
  return roles;
}

// The post-processor that puts a token in front of each text.
nlohmann::ordered_json begins_with(const std::string& token, int64_t id) {
  using nlohmann::ordered_json;
  const auto item = [](const char* kind, const std::string& name, int type) {
    return ordered_json{{kind, {{"id", name}, {"type_id", type}}}};
  };
  ordered_json j{{"type", "TemplateProcessing"}};
  j["single"] = {item("SpecialToken", token, 0), item("Sequence", "A", 0)};
  j["pair"] = {item("SpecialToken", token, 0), item("Sequence", "A", 0), item("SpecialToken", token, 1),
               item("Sequence", "B", 1)};
  j["special_tokens"][token] = {
      {"id", token}, {"ids", ordered_json::array({id})}, {"tokens", ordered_json::array({token})}};
  return j;
}

// `vocab`: the text of vocab.json. The whole in one file, which AutoTokenizer reads whatever the model's kind is.
std::string tokenizer_json(const BpeVocabulary& vocabulary, const std::string& vocab, const json& roles,
                           TokenizerUse use) {
  using nlohmann::ordered_json;
  const auto id_of = [&](const std::string& token) {
    const auto& pieces = vocabulary.pieces;
    return std::find(pieces.begin(), pieces.end(), token) - pieces.begin();
  };
  const auto content = [](const json& role) {
    return (role.is_object() ? role.at("content") : role).get<std::string>();
  };
  std::map<int64_t, ordered_json> added;  // by id
  for (const json& role : roles) {
    const std::string token = content(role);
    added[id_of(token)] = {
        {"id", id_of(token)}, {"content", token},    {"single_word", false}, {"lstrip", role.is_object()},
        {"rstrip", false},    {"normalized", false}, {"special", true}};
  }
  ordered_json j{{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  j["added_tokens"] = ordered_json::array();
  for (const auto& [id, token] : added) j["added_tokens"].push_back(token);
  const ordered_json bytes{
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  j["normalizer"] = nullptr;
  j["pre_tokenizer"] = bytes;
  j["post_processor"] = bytes;
  if (use == TokenizerUse::decoder && roles.contains("bos_token"))
    j["post_processor"] = begins_with("<s>", id_of("<s>"));
  else if (roles.contains("bos_token") && roles.contains("eos_token"))
    j["post_processor"] = {{"type", "RobertaProcessing"},
                           {"sep", {"</s>", id_of("</s>")}},
                           {"cls", {"<s>", id_of("<s>")}},
                           {"trim_offsets", true},
                           {"add_prefix_space", false}};
  j["decoder"] = bytes;
  json merges = json::array();
  for (const auto& [left, right] : vocabulary.merges)
    merges.push_back({vocabulary.pieces[left], vocabulary.pieces[right]});
  std::string text = j.dump();
  text.pop_back();  // the brace: the model goes before it, its vocabulary by id
  return text + R"(,"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"",)" +
         R"("end_of_word_suffix":"","fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":)" + vocab +
         ",\"merges\":" + merges.dump() + "}}\n";
}

}  // namespace

void save_vocabulary(const BpeVocabulary& vocabulary, const std::string& folder, int64_t max_length, TokenizerUse use) {
  const fs::path dir(folder);
  std::error_code error;
  fs::create_directories(dir, error);
  LL_CHECK(fs::is_directory(dir), "{}: cannot be made", folder);
  std::string vocab = "{";
  for (size_t id = 0; id < vocabulary.pieces.size(); ++id) {  // by id, which a json object would not keep
    vocab += fmt::format("{}{}:{}", id ? "," : "", json(vocabulary.pieces[id]).dump(), id);
  }
  vocab += "}";
  write(dir / "vocab.json", vocab + "\n");
  std::string merges = "#version: 0.2\n";
  for (const auto& [left, right] : vocabulary.merges) {
    merges += fmt::format("{} {}\n", vocabulary.pieces[left], vocabulary.pieces[right]);
  }
  write(dir / "merges.txt", merges);
  json config = roles_of(vocabulary, use);
  write(dir / "special_tokens_map.json", config.dump(2) + "\n");
  write(dir / "tokenizer.json", tokenizer_json(vocabulary, vocab, config, use));
  if (config.contains("mask_token")) {  // this file, and only this one, marks an object with flags
    config["mask_token"].update({{"__type", "AddedToken"}, {"special", true}});
  }
  config.update({{"add_prefix_space", false},
                 {"model_max_length", max_length},
                 {"tokenizer_class", use == TokenizerUse::decoder ? "PreTrainedTokenizerFast" : "RobertaTokenizer"}});
  write(dir / "tokenizer_config.json", config.dump(2) + "\n");
}

}  // namespace lowland
