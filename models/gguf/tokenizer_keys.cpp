#include "models/gguf/tokenizer_keys.h"

#include <filesystem>
#include <map>
#include <sstream>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/gguf/gguf_model.h"
#include "models/gguf/pre_tokenizers.h"
#include "models/tokenizers/json_parts.h"
#include "models/tokenizers/sentencepiece_file.h"
#include "models/tokenizers/tokenizer_files.h"

namespace lowland {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;
using Kind = SentencePieceFile::Kind;

constexpr const char* kHead = "tokenizer.ggml.";

class TokenizerWriter {
 public:
  TokenizerWriter(GgufKeys& keys, const std::string& folder, int64_t rows)
      : keys_(keys), folder_(folder), tokenizer_(load_tokenizer(folder)), rows_(rows) {
    LL_CHECK(tokenizer_->vocab_size() <= rows, "the tokenizer of {} has {} ids, the model has {}", folder,
             tokenizer_->vocab_size(), rows);
    for (int64_t id = 0; id < rows; ++id) {
      const auto piece = tokenizer_->piece(static_cast<int32_t>(id));
      texts_.push_back(piece.empty() ? fmt::format("[PAD{}]", id) : std::string(piece));
      kinds_.push_back(piece.empty() ? Kind::kUnused : Kind::kNormal);
    }
  }

  void put() {
    const fs::path model = folder_ / "tokenizer.model", file = folder_ / "tokenizer.json";
    const bool pieces = fs::exists(model) && read_whole_file(model).starts_with('\n');
    const json j = fs::exists(file) ? read_json_file(file) : lists();
    if (pieces)
      put_pieces(parse_sentencepiece(read_whole_file(model), model.string()), model.string());
    else if (j.contains("model") && json_text(j.at("model"), "type") == "BPE")
      put_merges(j, file.string());
    else
      fail(
          "the tokenizer of {} is neither byte-level BPE nor sentencepiece's (tokenizer.model), which "
          "GGUF files hold",
          folder_.string());
    mark_added(j);
    keys_.texts(kHead + std::string("tokens"), texts_);
    if (!scores_.empty()) keys_.numbers(kHead + std::string("scores"), scores_);
    std::vector<int32_t> kinds;
    for (const Kind kind : kinds_) kinds.push_back(static_cast<int32_t>(kind));
    keys_.wholes(kHead + std::string("token_type"), kinds);
    if (!merges_.empty()) keys_.texts(kHead + std::string("merges"), merges_);
    put_roles();
    put_chat_template();
  }

 private:
  // vocab.json and merges.txt as the tokenizer.json that they stand for; an empty object where there are none.
  json lists() const {
    const fs::path merges = folder_ / "merges.txt";
    if (!fs::exists(folder_ / "vocab.json") || !fs::exists(merges)) return json::object();
    const json config = read_tokenizer_config(folder_);
    const GgufPre& pre = *gguf_pre(json_text(config, "tokenizer_class").starts_with("Qwen2") ? "qwen2" : "gpt-2");
    LL_CHECK(!config.value("add_prefix_space", false), "{}: add_prefix_space has no place in a GGUF file",
             folder_.string());
    json list = json::array();
    std::istringstream lines(read_whole_file(merges));
    for (std::string line; std::getline(lines, line);)
      if (!line.empty() && !line.starts_with("#version")) list.push_back(line);
    return {{"pre_tokenizer", pre_tokenizer_json(pre)},
            {"normalizer", pre.composed ? json{{"type", "NFC"}} : json(nullptr)},
            {"model", {{"type", "BPE"}, {"ignore_merges", false}, {"merges", list}}}};
  }

  void put_pieces(const SentencePieceFile& file, const std::string& name) {
    LL_CHECK(file.model_type == 2, "{} is a Unigram model, which llama.cpp does not read for a decoder", name);
    keys_.text(kHead + std::string("model"), "llama");
    keys_.text(kHead + std::string("pre"), "default");
    scores_.assign(rows_, -1000);  // of added tokens, which are not merged
    for (size_t id = 0; id < file.pieces.size() && std::ssize(scores_) > static_cast<int64_t>(id); ++id) {
      scores_[id] = file.pieces[id].score;
      kinds_[id] = file.pieces[id].kind;
    }
    keys_.flag(kHead + std::string("add_space_prefix"), file.add_dummy_prefix);
    keys_.flag(kHead + std::string("remove_extra_whitespaces"), file.remove_extra_whitespaces);
  }

  void put_merges(const json& j, const std::string& name) {
    const json& model = j.at("model");
    std::vector<std::pair<std::string, std::string>> merges;
    for (const json& item : model.at("merges")) {
      std::pair<std::string, std::string> merge;
      if (item.is_array() && item.size() == 2)
        merge = {item[0].get<std::string>(), item[1].get<std::string>()};
      else
        LL_CHECK(item.is_string() && split_merge(item.get<std::string>(), merge), "{}: {} is no merge", name,
                 item.dump());
      merges.push_back(std::move(merge));
    }
    if (json_part(model, "byte_fallback") == true) return put_ranks(j, merges);
    const GgufPre* pre = gguf_pre_of(j);
    LL_CHECK(pre != nullptr, "{}: the way it cuts text into words has no name in GGUF files that is known here ({})",
             name, gguf_pre_names());
    keys_.text(kHead + std::string("model"), "gpt2");
    keys_.text(kHead + std::string("pre"), pre->name);
    for (const auto& [left, right] : merges) merges_.push_back(left + " " + right);
  }

  // Sentencepiece's model as tokenizer.json tells it: a merge that comes earlier is the better score.
  void put_ranks(const json& j, const std::vector<std::pair<std::string, std::string>>& merges) {
    keys_.text(kHead + std::string("model"), "llama");
    keys_.text(kHead + std::string("pre"), "default");
    std::map<std::string, float> score;
    for (size_t i = 0; i < merges.size(); ++i)
      score.emplace(merges[i].first + merges[i].second, -static_cast<float>(i));
    const std::string unknown = json_text(j.at("model"), "unk_token");
    scores_.assign(rows_, -static_cast<float>(merges.size()));
    for (int64_t id = 0; id < rows_; ++id) {
      const std::string& text = texts_[id];
      if (const auto it = score.find(text); it != score.end()) scores_[id] = it->second;
      if (kinds_[id] == Kind::kUnused) continue;
      if (text == unknown) kinds_[id] = Kind::kUnknown;
      if (text.size() == 6 && text.starts_with("<0x") && text.ends_with('>')) kinds_[id] = Kind::kByte;
    }
    const std::string parts = json_part(j, "normalizer").dump() + json_part(j, "pre_tokenizer").dump();
    keys_.flag(kHead + std::string("add_space_prefix"), parts.find("\"Prepend\"") != std::string::npos ||
                                                            parts.find("\"first\"") != std::string::npos ||
                                                            parts.find("\"always\"") != std::string::npos);
  }

  void mark_added(const json& j) {
    const auto mark = [&](const AddedToken& token) {
      const int32_t id = tokenizer_->id_of(token.content);
      if (id < 0 || id >= rows_ || kinds_[id] == Kind::kUnknown) return;
      kinds_[id] = token.special ? Kind::kControl : Kind::kUserDefined;
    };
    const json config = read_tokenizer_config(folder_);
    const json listed = json_part(j, "added_tokens"), decoder = json_part(config, "added_tokens_decoder");
    for (const json& object : listed.is_array() ? listed : json::array()) mark(added_token_of(object));
    for (const json& object : decoder.is_object() ? decoder : json::object()) mark(added_token_of(object));
    for (const auto& [role, token] : read_roles(folder_))
      if (!token.content.empty()) mark({.content = token.content, .special = true});
  }

  void put_roles() {
    const SpecialIds& ids = tokenizer_->special();
    for (const auto& [name, id] :
         {std::pair{"bos", ids.bos}, {"eos", ids.eos}, {"unknown", ids.unk}, {"padding", ids.pad}})
      if (id >= 0) keys_.whole(kHead + std::string(name) + "_token_id", id);
    const std::vector<int32_t>& around = tokenizer_->input_template().single;
    keys_.flag(kHead + std::string("add_bos_token"), ids.bos >= 0 && around.front() == ids.bos);
    keys_.flag(kHead + std::string("add_eos_token"), ids.eos >= 0 && around.back() == ids.eos);
  }

  void put_chat_template() {
    const fs::path jinja = folder_ / "chat_template.jinja";
    const json config = read_tokenizer_config(folder_);
    std::string text = fs::exists(jinja) ? read_whole_file(jinja) : json_text(config, "chat_template");
    const json& list = json_part(config, "chat_template");
    for (const json& named : text.empty() && list.is_array() ? list : json::array())
      if (json_text(named, "name") == "default") text = json_text(named, "template");
    if (!text.empty()) keys_.text("tokenizer.chat_template", text);
  }

  GgufKeys& keys_;
  fs::path folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
  int64_t rows_;
  std::vector<std::string> texts_, merges_;
  std::vector<Kind> kinds_;
  std::vector<float> scores_;
};

}  // namespace

void put_tokenizer_keys(GgufKeys& keys, const std::string& folder, int64_t rows) {
  if (!is_gguf_path(folder)) return TokenizerWriter(keys, folder, rows).put();
  const auto files = open_gguf_model(folder);
  for (const auto& [key, value] : files[0]->keys().all())
    if (key.starts_with("tokenizer.")) keys.copy(key, value);
}

}  // namespace lowland
