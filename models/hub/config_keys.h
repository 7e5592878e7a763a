// The keys of a JSON configuration fall into three classes, the same in every reader: those that it reads; those that
// nobody here knows, which transformers ignores too and a note lists; and those that change the computation in a way
// that Lowland does not compute, which are refused by name.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "models/hub/json_keys.h"

namespace lowland {

// Throws Error that names the first key of the third class which is on, but for those that the model computes.
void refuse_unsupported_keys(const JsonKeys& keys, std::initializer_list<std::string_view> computed = {});

// "FILE: not used: a, b" on the keys that were not asked for so far, or nothing. Left out are those that are off (null,
// false, empty) and those that transformers writes into every file and that say nothing about a computation.
std::string unused_keys(const JsonKeys& keys);

// `original` with what differs between `before` and `now`, and nothing else, changed: keys that only `now` has are
// added, those that only `before` has are removed; "*_config" objects are gone through key by key. Ends in a newline.
std::string json_with_changes(const std::string& original, const nlohmann::json& before, const nlohmann::json& now);

}  // namespace lowland
