// What both readers of tokenizer folders share: JSON files, vocabularies, and which token has which role.
#pragma once
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "models/tokenizers/added_tokens.h"
#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/word_models/word_model.h"

namespace lowland {

// Errors name the file and, for bad JSON, the byte.
nlohmann::json read_json_file(const std::filesystem::path& path);

// {piece: id} to pieces by id, empty where an id is unused. source names it in an error.
std::vector<std::string> pieces_of(const nlohmann::json& vocab, const std::string& source);

// "a b" to its halves; false unless there is exactly one space with text on both sides.
bool split_merge(const std::string& line, std::pair<std::string, std::string>& merge);

// One object of tokenizer.json's added_tokens or of tokenizer_config.json's added_tokens_decoder (id from the
// key there).
AddedToken added_token_of(const nlohmann::json& object);

// The tokens that special_tokens_map.json and tokenizer_config.json give a role: "cls_token" -> token. The first file
// wins; where the second has added_tokens_decoder the first is not looked at, as transformers (4.34 and later) has it.
// A value may be a text (usual flags), an object with flags, or null: the role is not taken, and the token's text is
// empty.
std::map<std::string, AddedToken> read_roles(const std::filesystem::path& folder);

// Adds the token unless one of the same text is there.
void put_added_token(std::vector<AddedToken>& added, AddedToken token);
// The tokens of tokenizer_config.json's added_tokens_decoder and of added_tokens.json, which have flags of
// their own, then those with a role.
std::vector<AddedToken> read_added_tokens(const std::filesystem::path& folder, const nlohmann::json& config,
                                          const Vocabulary& vocabulary, const std::map<std::string, AddedToken>& roles);

// Ids for those roles, or for the usual spellings where no file names them. source names the tokenizer in errors.
SpecialTokens special_tokens(const std::map<std::string, AddedToken>& roles, const Vocabulary& vocabulary,
                             const std::vector<AddedToken>& added, const std::string& source);

// tokenizer_config.json of a folder, an empty object where there is none.
nlohmann::json read_tokenizer_config(const std::filesystem::path& folder);
// The whole of a file.
std::string read_whole_file(const std::filesystem::path& path);

// One file each; the other files of its folder are read where they are.
std::unique_ptr<Tokenizer> load_tokenizer_json(const std::filesystem::path& file);
std::unique_ptr<Tokenizer> load_vocab_and_merges(const std::filesystem::path& vocab,
                                                 const std::filesystem::path& merges);
std::unique_ptr<Tokenizer> load_sentencepiece(const std::filesystem::path& file);
std::unique_ptr<Tokenizer> load_tiktoken(const std::filesystem::path& file);
std::unique_ptr<Tokenizer> load_vocab_txt(const std::filesystem::path& file);
std::unique_ptr<Tokenizer> load_llama2c(const std::filesystem::path& file);

}  // namespace lowland
