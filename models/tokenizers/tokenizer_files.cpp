#include "models/tokenizers/tokenizer_files.h"

#include <fstream>

#include "engine/error.h"

namespace lowland {

using nlohmann::json;
namespace fs = std::filesystem;

json read_json_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  LL_CHECK(in.good() && !fs::is_directory(path), "{}: cannot be opened for reading", path.string());
  try {
    return json::parse(in);
  } catch (const json::parse_error& e) {
    fail("{}: not valid JSON, at byte {}", path.string(), e.byte);
  }
}

std::vector<std::string> pieces_of(const json& vocab, const std::string& source) {
  constexpr uint64_t kMaxId = 1 << 24;  // a wrong id must not ask for gigabytes
  LL_CHECK(vocab.is_object() && !vocab.empty(), "{}: the vocabulary is not a JSON object of pieces and ids",
           source);
  std::vector<std::string> pieces;
  for (const auto& [piece, value] : vocab.items()) {
    LL_CHECK(value.is_number_unsigned() && value.get<uint64_t>() < kMaxId,
             "{}: the id of '{}' is {}, not a whole number from 0 to {}", source, piece, value.dump(),
             kMaxId - 1);
    LL_CHECK(!piece.empty(), "{}: a piece is empty", source);
    const auto id = value.get<size_t>();
    if (id >= pieces.size()) pieces.resize(id + 1);
    LL_CHECK(pieces[id].empty(), "{}: '{}' and '{}' have the same id {}", source, pieces[id], piece, id);
    pieces[id] = piece;
  }
  return pieces;
}

bool split_merge(const std::string& line, std::pair<std::string, std::string>& merge) {
  const size_t space = line.find(' ');
  if (space == std::string::npos || space == 0 || space + 1 == line.size()) return false;
  if (line.find(' ', space + 1) != std::string::npos) return false;
  merge = {line.substr(0, space), line.substr(space + 1)};
  return true;
}

AddedToken added_token_of(const json& object) {
  AddedToken token;
  token.content = object.at("content").get<std::string>();
  if (object.contains("id")) token.id = object.at("id").get<int32_t>();
  token.special = object.value("special", true);
  token.lstrip = object.value("lstrip", false);
  token.rstrip = object.value("rstrip", false);
  token.single_word = object.value("single_word", false);
  token.normalized = object.value("normalized", false);
  return token;
}

std::map<std::string, AddedToken> read_roles(const fs::path& folder) {
  std::map<std::string, AddedToken> roles;
  for (const char* name : {"special_tokens_map.json", "tokenizer_config.json"}) {
    if (!fs::exists(folder / name)) continue;
    const json file = read_json_file(folder / name);
    LL_CHECK(file.is_object(), "{}: not a JSON object", (folder / name).string());
    for (const char* role : {"bos", "eos", "unk", "sep", "pad", "cls", "mask"}) {
      const std::string key = std::string(role) + "_token";
      if (!file.contains(key)) continue;
      const json& value = file.at(key);
      AddedToken token;
      if (value.is_string()) {
        token.content = value.get<std::string>();
        token.lstrip = key == "mask_token";  // RoBERTa's: `<mask>` takes the space before it along
      } else if (value.is_object()) {
        token = added_token_of(value);
        token.special = true;
      } else {
        continue;
      }
      roles.emplace(key, std::move(token));
    }
  }
  return roles;
}

SpecialIds special_ids(const std::map<std::string, AddedToken>& roles, const BpeModel& model,
                       const std::vector<AddedToken>& added) {
  const auto id_of = [&](const std::string& content) {
    for (const AddedToken& token : added) {
      if (token.content == content) return token.id;
    }
    return model.id_of(content);
  };
  const auto pick = [&](std::initializer_list<const char*> keys, std::initializer_list<const char*> usual) {
    for (const char* key : keys) {
      if (const auto it = roles.find(key); it != roles.end()) return id_of(it->second.content);
    }
    for (const char* content : usual) {
      if (const int32_t id = id_of(content); id >= 0) return id;
    }
    return int32_t{-1};
  };
  return {.bos = pick({"cls_token", "bos_token"}, {"<s>", "<|endoftext|>"}),
          .eos = pick({"sep_token", "eos_token"}, {"</s>", "<|endoftext|>"}),
          .pad = pick({"pad_token"}, {"<pad>"}),
          .unk = pick({"unk_token"}, {"<unk>", "<|endoftext|>"}),
          .mask = pick({"mask_token"}, {"<mask>"})};
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& folder) {
  const fs::path dir(folder);
  LL_CHECK(fs::is_directory(dir), "{}: there is no such folder to read a tokenizer from", folder);
  if (fs::exists(dir / "tokenizer.json")) return load_tokenizer_json(dir);
  if (fs::exists(dir / "vocab.json")) return load_vocab_and_merges(dir / "vocab.json", dir / "merges.txt");
  if (fs::exists(dir / "encoder.json")) return load_vocab_and_merges(dir / "encoder.json", dir / "vocab.bpe");
  fail(
      "{}: no tokenizer here: neither tokenizer.json, nor vocab.json and merges.txt, nor encoder.json and "
      "vocab.bpe",
      folder);
}

}  // namespace lowland
