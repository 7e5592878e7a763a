#include "models/gguf/tokenizer_texts.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/gguf/pre_tokenizers.h"
#include "models/tokenizers/sentencepiece_file.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

using nlohmann::json;
using Kind = SentencePieceFile::Kind;

constexpr const char* kKeyHead = "tokenizer.ggml.";
constexpr const char* kMark = "\u2581";

std::string key(const std::string& name) { return kKeyHead + name; }

// What the lists of the file say, one row a token.
struct Tokens {
  std::vector<std::string> texts;
  std::vector<Kind> kinds;
  std::vector<double> scores;
};

Tokens read_tokens(const GgufMetadata& keys) {
  Tokens out;
  out.texts = keys.texts(key("tokens"));
  if (out.texts.empty()) keys.refuse(key("tokens"), "is missing: give the model's tokenizer as --tokenizer");
  for (const std::string& text : out.texts)
    if (!utf8_valid(text)) keys.refuse(key("tokens"), "holds bytes that are not UTF-8");
  const std::vector<double> kinds = keys.numbers(key("token_type"));
  out.scores = keys.numbers(key("scores"));
  out.kinds.assign(out.texts.size(), Kind::kNormal);
  for (size_t i = 0; i < std::min(kinds.size(), out.kinds.size()); ++i)
    if (kinds[i] >= 1 && kinds[i] <= 6) out.kinds[i] = static_cast<Kind>(static_cast<int>(kinds[i]));
  if (!kinds.empty() && kinds.size() != out.texts.size())
    keys.refuse(key("token_type"), fmt::format("has {} entries, there are {} tokens", kinds.size(), out.texts.size()));
  if (!out.scores.empty() && out.scores.size() != out.texts.size())
    keys.refuse(key("scores"), fmt::format("has {} entries, there are {} tokens", out.scores.size(), out.texts.size()));
  return out;
}

// The id of a role, -1: none.
int64_t role(const GgufMetadata& keys, const Tokens& tokens, const std::string& name) {
  const int64_t id = keys.whole(key(name + "_token_id"), -1);
  return id >= 0 && id < std::ssize(tokens.texts) ? id : -1;
}

json added_token(int64_t id, const std::string& content, bool special) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

json post_processor(const GgufMetadata& keys, const Tokens& tokens, bool begins) {
  const int64_t bos = role(keys, tokens, "bos"), eos = role(keys, tokens, "eos");
  json single = json::array(), pair = json::array(), special = json::object();
  const auto put = [&](json& out, int64_t id, int type) {
    const std::string& text = tokens.texts[id];
    out.push_back({{"SpecialToken", {{"id", text}, {"type_id", type}}}});
    special[text] = {{"id", text}, {"ids", {id}}, {"tokens", {text}}};
  };
  const auto put_text = [&](json& out, const char* name, int type) {
    if (begins && bos >= 0) put(out, bos, type);
    out.push_back({{"Sequence", {{"id", name}, {"type_id", type}}}});
    if (keys.flag(key("add_eos_token"), false) && eos >= 0) put(out, eos, type);
  };
  put_text(single, "A", 0);
  put_text(pair, "A", 0);
  put_text(pair, "B", 1);
  if (special.empty())
    return {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}, {"use_regex", true}};
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
}

const GgufPre& pre_of(const GgufMetadata& keys) {
  const std::string name = keys.text(key("pre"), "");
  const GgufPre* pre = gguf_pre(name);
  if (pre == nullptr)
    keys.refuse(key("pre"),
                fmt::format("is {}, of which it is not known how it cuts text ({} are): give the model's tokenizer as "
                            "--tokenizer",
                            name.empty() ? "missing" : name, gguf_pre_names()));
  return *pre;
}

std::string byte_level_json(const GgufMetadata& keys) {
  const Tokens tokens = read_tokens(keys);
  const GgufPre& pre = pre_of(keys);
  json vocab = json::object(), added = json::array(), merges = json::array();
  for (size_t id = 0; id < tokens.texts.size(); ++id) {
    const std::string& text = tokens.texts[id];
    if (tokens.kinds[id] == Kind::kUnused || text.empty()) continue;
    if (!vocab.emplace(text, id).second) keys.refuse(key("tokens"), fmt::format("holds `{}` twice", text));
    const bool special = tokens.kinds[id] == Kind::kControl || tokens.kinds[id] == Kind::kUnknown;
    if (special || tokens.kinds[id] == Kind::kUserDefined)
      added.push_back(added_token(static_cast<int64_t>(id), text, special));
  }
  for (const std::string& line : keys.texts(key("merges"))) {
    const size_t space = line.find(' ', 1);
    if (space == std::string::npos || space + 1 == line.size())
      keys.refuse(key("merges"), fmt::format("holds `{}`, which is no pair of tokens", line));
    merges.push_back({line.substr(0, space), line.substr(space + 1)});
  }
  if (merges.empty()) keys.refuse(key("merges"), "is missing: give the model's tokenizer as --tokenizer");
  json j = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"added_tokens", added}};
  j["normalizer"] = pre.composed ? json{{"type", "NFC"}} : json(nullptr);
  j["pre_tokenizer"] = pre_tokenizer_json(pre);
  j["post_processor"] = post_processor(keys, tokens, keys.flag(key("add_bos_token"), pre.begins));
  j["decoder"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  j["model"] = {{"type", "BPE"},
                {"dropout", nullptr},
                {"unk_token", nullptr},
                {"continuing_subword_prefix", nullptr},
                {"end_of_word_suffix", nullptr},
                {"fuse_unk", false},
                {"byte_fallback", false},
                {"ignore_merges", pre.ignore_merges},
                {"vocab", std::move(vocab)},
                {"merges", std::move(merges)}};
  return j.dump(-1, ' ', false, json::error_handler_t::replace);
}

// The pieces, kinds and scores are sentencepiece's own.
std::string sentencepiece_text(const GgufMetadata& keys) {
  const Tokens tokens = read_tokens(keys);
  if (tokens.scores.empty()) keys.refuse(key("scores"), "is missing: give the model's tokenizer as --tokenizer");
  SentencePieceFile file;
  file.model_type = 2;
  for (size_t id = 0; id < tokens.texts.size(); ++id)
    file.pieces.push_back({tokens.texts[id], static_cast<float>(tokens.scores[id]), tokens.kinds[id]});
  file.byte_fallback =
      std::any_of(file.pieces.begin(), file.pieces.end(), [](const auto& piece) { return piece.kind == Kind::kByte; });
  file.add_dummy_prefix = keys.flag(key("add_space_prefix"), true);
  file.remove_extra_whitespaces = keys.flag(key("remove_extra_whitespaces"), false);
  const auto id = [&](const char* name) { return role(keys, tokens, name); };
  return sentencepiece_bytes(file, {.unk = id("unknown"), .bos = id("bos"), .eos = id("eos"), .pad = id("padding")});
}

// WordPiece: here a mark stands before what begins a word, there ## before what goes on.
std::string word_pieces(const GgufMetadata& keys) {
  const Tokens tokens = read_tokens(keys);
  std::string out;
  for (size_t id = 0; id < tokens.texts.size(); ++id) {
    const std::string& text = tokens.texts[id];
    const bool begins = text.starts_with(kMark), own = tokens.kinds[id] == Kind::kNormal;
    out += (begins ? text.substr(std::string_view(kMark).size()) : own ? "##" + text : text) + "\n";
  }
  return out;
}

std::string tokenizer_config(const GgufMetadata& keys) {
  const Tokens tokens = read_tokens(keys);
  json j;
  constexpr std::pair<const char*, const char*> kRoles[] = {
      {"bos_token", "bos"},       {"eos_token", "eos"}, {"unk_token", "unknown"}, {"pad_token", "padding"},
      {"sep_token", "seperator"}, {"cls_token", "cls"}, {"mask_token", "mask"}};
  const std::string model = keys.text(key("model"), "");
  for (const auto& [name, gguf] : kRoles)
    if (const int64_t id = role(keys, tokens, gguf); id >= 0) j[name] = tokens.texts[id];
  if (model == "llama") {
    j["tokenizer_class"] = "LlamaTokenizer";
    j["add_bos_token"] = keys.flag(key("add_bos_token"), true);
    j["add_eos_token"] = keys.flag(key("add_eos_token"), false);
    j["legacy"] = true;
  } else {
    j["tokenizer_class"] = model == "bert" ? "BertTokenizer" : "PreTrainedTokenizerFast";
  }
  j["clean_up_tokenization_spaces"] = false;
  if (const std::string chat = keys.text("tokenizer.chat_template", ""); !chat.empty()) j["chat_template"] = chat;
  return j.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

// Where a text ends: also where a turn of a conversation does.
std::string generation_config(const GgufMetadata& keys) {
  json ends = json::array();
  for (const char* name : {"eos_token_id", "eot_token_id"}) {
    const int64_t id = keys.whole(key(name), -1);
    if (id >= 0 && id < (int64_t{1} << 31) && std::find(ends.begin(), ends.end(), id) == ends.end()) ends.push_back(id);
  }
  json j;
  if (!ends.empty()) j["eos_token_id"] = ends.size() == 1 ? ends[0] : ends;
  return j.is_null() ? "{}\n" : j.dump(2) + "\n";
}

struct Text {
  const char *name, *model;  // of tokenizer.ggml.model; null: any
  std::string (*make)(const GgufMetadata&);
};

constexpr Text kTexts[] = {{"tokenizer.json", "gpt2", byte_level_json},
                           {"tokenizer.model", "llama", sentencepiece_text},
                           {"vocab.txt", "bert", word_pieces},
                           {"tokenizer_config.json", nullptr, tokenizer_config},
                           {"generation_config.json", nullptr, generation_config}};

const Text* find_text(const GgufMetadata& keys, const std::string& name) {
  const std::string model = keys.text(key("model"), "");
  for (const Text& t : kTexts)
    if (name == t.name && !model.empty() && (t.model == nullptr || model == t.model)) return &t;
  return nullptr;
}

}  // namespace

bool has_tokenizer_text(const GgufMetadata& keys, const std::string& name) { return find_text(keys, name) != nullptr; }

std::string tokenizer_text(const GgufMetadata& keys, const std::string& name) {
  const Text* text = find_text(keys, name);
  if (text == nullptr) fail("{} has nothing that would be a {}", keys.file(), name);
  return text->make(keys);
}

}  // namespace lowland
