// What both readers of tokenizer folders share: JSON files, vocabularies, and which token has which role.
#pragma once
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "models/tokenizers/added_tokens.h"
#include "models/tokenizers/bpe_model.h"
#include "models/tokenizers/tokenizer.h"

namespace lowland {

using MergeList = std::vector<std::pair<std::string, std::string>>;

// Errors name the file and, for bad JSON, the byte.
nlohmann::json read_json_file(const std::filesystem::path& path);

// {piece: id} to pieces by id, empty where an id is unused. source names it in an error.
std::vector<std::string> pieces_of(const nlohmann::json& vocab, const std::string& source);

// "a b" to its halves; false unless there is exactly one space with text on both sides.
bool split_merge(const std::string& line, std::pair<std::string, std::string>& merge);

// One object of tokenizer.json's added_tokens or of tokenizer_config.json's added_tokens_decoder (id from the
// key there).
AddedToken added_token_of(const nlohmann::json& object);

// The tokens that special_tokens_map.json and tokenizer_config.json give a role: "cls_token" -> token. The
// first file wins. A value may be a text (usual flags) or an object with flags.
std::map<std::string, AddedToken> read_roles(const std::filesystem::path& folder);

// Ids for those roles, or for the usual spellings where no file names them.
SpecialIds special_ids(const std::map<std::string, AddedToken>& roles, const BpeModel& model,
                       const std::vector<AddedToken>& added);

std::unique_ptr<Tokenizer> load_tokenizer_json(const std::filesystem::path& folder);
std::unique_ptr<Tokenizer> load_vocab_and_merges(const std::filesystem::path& vocab,
                                                 const std::filesystem::path& merges);

}  // namespace lowland
