// New tokens for a tokenizer, as `add_tokens` of transformers makes them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace lowland {

// The tokenizer files of the folder `from` go to the folder `to`, which is there, with the tokens behind what the
// tokenizer has: found in any text as it stands, and not special. Returns their ids, which ascend; a token that is
// known already gets none. Throws Error where there is no tokenizer.json, on an empty token, and where none is new.
std::vector<int64_t> add_tokens(const std::string& from, const std::vector<std::string>& tokens, const std::string& to);

// One token a line of a file; empty lines do not count.
std::vector<std::string> read_tokens(const std::string& file);

}  // namespace lowland
