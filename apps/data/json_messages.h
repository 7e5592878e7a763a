// Conversations in JSON, for the readers of texts and of questions about pictures.
#pragma once
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "models/chat/chat_template.h"

namespace lowland {

// Where a record keeps its conversation.
struct MessageKeys {
  const char *list, *role, *content;
};
inline constexpr MessageKeys kMessages{"messages", "role", "content"}, kShareGpt{"conversations", "from", "value"};

// A conversation, with the record's `system` in front where it has one. human is user, gpt is assistant, observation is
// tool; weight 0 or train false: not learnt; other keys of a message are handed to the template.
// Error, naming `where`: another shape, another role, a weight between.
std::vector<ChatMessage> messages_of(const nlohmann::ordered_json& record, const MessageKeys& keys,
                                     const std::string& where);
// The record's `tools`, a list or a list as text: JSON, empty where there are none. Error, naming `where`.
std::string tools_of(const nlohmann::ordered_json& record, const std::string& where);

}  // namespace lowland
