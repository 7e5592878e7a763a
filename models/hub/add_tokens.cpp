#include "models/hub/add_tokens.h"

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/gguf/gguf_model.h"
#include "models/hub/write_model.h"
#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace fs = std::filesystem;

std::vector<int64_t> add_tokens(const std::string& from, const std::vector<std::string>& tokens,
                                const std::string& to) {
  const fs::path file = fs::path(from) / "tokenizer.json";
  LL_CHECK(model_file_exists(file),
           "--add-tokens: {} has no tokenizer.json, to which tokens are added; in Python, "
           "AutoTokenizer.from_pretrained(...).save_pretrained(...) writes one",
           from);
  const std::unique_ptr<Tokenizer> known = load_tokenizer(from);
  nlohmann::ordered_json j = nlohmann::ordered_json::parse(read_model_file(file));
  std::vector<int64_t> ids;
  for (const std::string& token : tokens) {
    const auto& added = j["added_tokens"];
    const bool there = known->id_of(token) >= 0 || std::any_of(added.begin(), added.end(), [&](const auto& other) {
                         return other.value("content", "") == token;
                       });
    if (there) continue;
    ids.push_back(known->vocab_size() + std::ssize(ids));
    j["added_tokens"].push_back({{"id", ids.back()},
                                 {"content", token},
                                 {"single_word", false},
                                 {"lstrip", false},
                                 {"rstrip", false},
                                 {"normalized", false},
                                 {"special", false}});
  }
  LL_CHECK(!ids.empty(), "--add-tokens: none of the {} tokens is new to the tokenizer of {}", tokens.size(), from);
  copy_tokenizer_files(from, to);
  write_file_atomically((fs::path(to) / "tokenizer.json").string(), j.dump(2) + "\n");
  return ids;
}

std::vector<std::string> read_tokens(const std::string& file) {
  const std::string text = read_file(file);
  LL_CHECK(utf8_valid(text), "{} is not UTF-8", file);
  std::vector<std::string> tokens;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) tokens.push_back(std::move(line));
    begin = end + 1;
  }
  LL_CHECK(!tokens.empty(), "{} has no tokens, one a line", file);
  return tokens;
}

}  // namespace lowland
