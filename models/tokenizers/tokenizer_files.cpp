#include "models/tokenizers/tokenizer_files.h"

#include <cctype>
#include <fstream>
#include <sstream>

#include "engine/error.h"
#include "models/gguf/gguf_model.h"

namespace lowland {

using nlohmann::json;
namespace fs = std::filesystem;

json read_json_file(const fs::path& path) {
  const std::string text = read_whole_file(path);
  try {
    return json::parse(text);
  } catch (const json::parse_error& e) {
    fail("{}: not valid JSON, at byte {}", path.string(), e.byte);
  } catch (const json::exception& e) {
    fail("{}: not valid JSON ({})", path.string(), e.what());
  }
}

std::vector<std::string> pieces_of(const json& vocab, const std::string& source) {
  LL_CHECK(vocab.is_object() && !vocab.empty(), "{}: the vocabulary is not a JSON object of pieces and ids", source);
  const uint64_t max_id = 4 * vocab.size() + 100'000;  // a wrong id must not ask for gigabytes
  std::vector<std::string> pieces;
  for (const auto& [piece, value] : vocab.items()) {
    LL_CHECK(value.is_number_unsigned() && value.get<uint64_t>() < max_id,
             "{}: the id of '{}' is {}, not a whole number from 0 to {}", source, piece, value.dump(), max_id - 1);
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
  const json config = read_tokenizer_config(folder);
  for (const char* name : {"special_tokens_map.json", "tokenizer_config.json"}) {
    const bool stale = name == std::string_view("special_tokens_map.json") && config.contains("added_tokens_decoder");
    if (stale || !model_file_exists(folder / name)) continue;
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
      } else if (!value.is_null()) {
        continue;
      }
      roles.emplace(key, std::move(token));
    }
  }
  return roles;
}

void put_added_token(std::vector<AddedToken>& added, AddedToken token) {
  for (const AddedToken& known : added) {
    if (known.content == token.content) return;
  }
  added.push_back(std::move(token));
}

std::vector<AddedToken> read_added_tokens(const fs::path& folder, const json& config, const Vocabulary& vocabulary,
                                          const std::map<std::string, AddedToken>& roles) {
  std::vector<AddedToken> added;
  if (config.contains("added_tokens_decoder")) {
    for (const auto& [id, object] : config.at("added_tokens_decoder").items()) {
      AddedToken token = added_token_of(object);
      token.id = static_cast<int32_t>(std::stol(id));
      put_added_token(added, token);
    }
  }
  if (model_file_exists(folder / "added_tokens.json")) {
    const json file = read_json_file(folder / "added_tokens.json");
    for (const auto& [content, id] : file.items()) {
      AddedToken token{.content = content, .id = id.get<int32_t>(), .special = false, .normalized = true};
      for (const auto& [role, named] : roles) {
        if (named.content == content) token = named, token.id = id.get<int32_t>();
      }
      put_added_token(added, token);
    }
  }
  for (const auto& [role, token] : roles) {
    AddedToken known = token;
    known.id = vocabulary.id_of(token.content);
    if (known.id >= 0) put_added_token(added, std::move(known));
  }
  return added;
}

SpecialTokens special_tokens(const std::map<std::string, AddedToken>& roles, const Vocabulary& vocabulary,
                             const std::vector<AddedToken>& added, const std::string& source) {
  SpecialTokens out;
  out.source = source;
  const auto id_of = [&](const std::string& content) {
    for (const AddedToken& token : added) {
      if (token.content == content) return token.id;
    }
    return vocabulary.id_of(content);
  };
  const auto pick = [&](std::initializer_list<const char*> keys, std::initializer_list<const char*> usual) {
    for (const char* key : keys) {
      const auto it = roles.find(key);
      if (it == roles.end()) continue;
      const std::string& content = it->second.content;
      const int32_t id = content.empty() ? -1 : id_of(content);
      if (id < 0 && !content.empty()) out.lacking[key] = content;
      return id;
    }
    for (const char* content : usual) {
      if (const int32_t id = id_of(content); id >= 0) return id;
    }
    return int32_t{-1};
  };
  out.ids.bos = pick({"bos_token"}, {"<s>", "<|begin_of_text|>", "<|endoftext|>"});
  out.ids.eos = pick({"eos_token"}, {"</s>", "<|end_of_text|>", "<|endoftext|>"});
  out.ids.cls = pick({"cls_token", "bos_token"}, {"[CLS]", "<s>", "<|begin_of_text|>", "<|endoftext|>"});
  out.ids.sep = pick({"sep_token", "eos_token"}, {"[SEP]", "</s>", "<|end_of_text|>", "<|endoftext|>"});
  out.ids.pad = pick({"pad_token"}, {"<pad>", "[PAD]"});
  out.ids.unk = pick({"unk_token"}, {"<unk>", "[UNK]", "<|endoftext|>"});
  out.ids.mask = pick({"mask_token"}, {"<mask>", "[MASK]"});
  for (const auto& [role, content] : out.lacking)
    out.notes.push_back(fmt::format("{}: the {} '{}' is not in the vocabulary", source, role, content));
  return out;
}

json read_tokenizer_config(const fs::path& folder) {
  const fs::path file = folder / "tokenizer_config.json";
  json config = model_file_exists(file) ? read_json_file(file) : json::object();
  LL_CHECK(config.is_object(), "{}: not a JSON object", file.string());
  return config;
}

std::string read_whole_file(const fs::path& path) {
  if (is_in_gguf(path)) return read_model_file(path);
  std::ifstream in(path, std::ios::binary);
  LL_CHECK(in.good() && !fs::is_directory(path), "{}: cannot be opened for reading", path.string());
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

namespace {

// What one file is, by its first bytes: JSON; a sentencepiece model, whose first field is a piece (0x0A);
// lines of base64; or llama2.c's table, whose first number, the longest piece, is small.
std::unique_ptr<Tokenizer> load_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  LL_CHECK(in.good(), "{}: cannot be opened for reading", file.string());
  unsigned char head[8] = {};
  in.read(reinterpret_cast<char*>(head), sizeof head);
  if (file.filename() == "vocab.json") return load_vocab_and_merges(file, file.parent_path() / "merges.txt");
  if (head[0] == '{' || file.extension() == ".json") return load_tokenizer_json(file);
  if (head[0] == 0x0A && head[2] == 0x0A) return load_sentencepiece(file);
  if (file.extension() == ".txt") return load_vocab_txt(file);
  if (head[0] > 0 && head[1] < 4 && head[2] == 0 && head[3] == 0) return load_llama2c(file);
  if (std::isalnum(head[0]) && std::isalnum(head[1])) return load_tiktoken(file);
  fail("{}: not a tokenizer: neither tokenizer.json, nor a sentencepiece, tiktoken or llama2.c file", file.string());
}

std::unique_ptr<Tokenizer> load_gguf(const fs::path& file) {
  if (model_file_exists(file / "tokenizer.json")) return load_tokenizer_json(file / "tokenizer.json");
  if (model_file_exists(file / "tokenizer.model")) return load_sentencepiece(file / "tokenizer.model");
  if (model_file_exists(file / "vocab.txt")) return load_vocab_txt(file / "vocab.txt");
  fail(
      "{} has no tokenizer that is read: tokenizer.ggml.model is gpt2, llama or bert there; give the model's as "
      "--tokenizer",
      file.string());
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path) {
  const fs::path dir(path);
  if (is_gguf_path(path)) return load_gguf(dir);
  if (fs::is_regular_file(dir)) return load_file(dir);
  LL_CHECK(fs::is_directory(dir), "{}: there is no such file or folder to read a tokenizer from", path);
  if (fs::exists(dir / "tokenizer.json")) return load_tokenizer_json(dir / "tokenizer.json");
  if (fs::exists(dir / "vocab.json")) return load_vocab_and_merges(dir / "vocab.json", dir / "merges.txt");
  if (fs::exists(dir / "encoder.json")) return load_vocab_and_merges(dir / "encoder.json", dir / "vocab.bpe");
  for (const char* name :
       {"tokenizer.model", "sentencepiece.bpe.model", "spiece.model", "vocab.txt", "tokenizer.bin"}) {
    if (fs::exists(dir / name)) return load_file(dir / name);
  }
  fail(
      "{}: no tokenizer here: neither tokenizer.json, nor vocab.json and merges.txt, nor encoder.json and "
      "vocab.bpe, nor tokenizer.model, sentencepiece.bpe.model or spiece.model, nor vocab.txt, nor tokenizer.bin",
      path);
}

}  // namespace lowland
