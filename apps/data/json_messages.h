// Conversations in JSON, for the readers of texts and of questions about pictures.
#pragma once
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "apps/data/language_records.h"

namespace lowland {

// The list `list` of objects with a role and a content, under these names. human is user, gpt is assistant.
// Error, naming `where`: another shape, another role.
std::vector<LanguageMessage> messages_of(const nlohmann::json& object, const char* list, const char* role,
                                         const char* content, const std::string& where);

}  // namespace lowland
