// Examples for language models from files of JSON (lines, or one list), .csv and .tsv, in the shapes that people have:
//   {"text": ...}                                              all of it is learnt
//   {"prompt": ..., "completion": ...}                         the completion is learnt
//   {"prompt": [{"role": ...}, ...], "completion": [...]}      a conversation, of which the completion is learnt
//   {"instruction": ..., "input": ..., "output": ...}          the same, with the prompt text published with Alpaca
//                                                              (input may be missing or empty)
//   {"messages": [{"role": system|user|assistant|tool, "content": ...}, ...]}
//   {"conversations": [{"from": system|human|gpt|observation, "value": ...}, ...]}       as ShareGPT has them
// Beside a conversation: system (a text, its first message), tools (a list, for the template), chat_template_kwargs (an
// object, for the template); within a message weight 0 (not learnt), tool_calls and whatever else the template reads;
// a content may be a list of parts of type text. system, history and tools beside other shapes are refused.
// Lines of one file may differ in shape; other fields are ignored. Texts are kept as they are. Cells of a table are
// texts; of messages, conversations and tools the JSON of a list.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "apps/data/columns.h"
#include "models/chat/chat_template.h"

namespace lowland {

struct LanguageRecord {
  // Either a conversation, or a text of which the first part is given.
  std::vector<ChatMessage> messages = {};
  std::string tools = {}, variables = {};    // of a conversation: JSON, empty where there are none
  std::string prompt = {}, completion = {};  // of {"text"}: prompt is empty
  std::string where = {};                    // "file:line"
};

// The names that --columns may give to a file's.
Columns language_columns(const std::string& text);

// columns: language_columns; a record then is of the shape that they name, whatever else it holds.
// Throws Error, naming file:line, on a line that is not JSON, lacks the fields or has an unknown role, and on a file
// without any.
std::vector<LanguageRecord> read_language_records(const std::string& file, const Columns& columns = {});

}  // namespace lowland
