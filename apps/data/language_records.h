// Examples for language models from JSON lines, in the shapes that people have:
//   {"text": ...}                                              all of it is learnt
//   {"prompt": ..., "completion": ...}                         the completion is learnt
//   {"instruction": ..., "input": ..., "output": ...}          the same, with the prompt text published with Alpaca
//                                                              (input may be missing or empty)
//   {"messages": [{"role": system|user|assistant, "content": ...}, ...]}
//   {"conversations": [{"from": system|human|gpt, "value": ...}, ...]}       as ShareGPT has them
// Lines of one file may differ in shape; other fields are ignored. Texts are kept as they are.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace lowland {

struct LanguageMessage {
  std::string role;  // system, user or assistant
  std::string content;
};

struct LanguageRecord {
  // Either a conversation, or a text of which the first part is given.
  std::vector<LanguageMessage> messages;
  std::string prompt, completion;  // of {"text"}: prompt is empty
  std::string where;               // "file:line"
};

// Throws Error, naming file:line, on a line that is not JSON, lacks the fields or has an unknown role, and on a file
// without any.
std::vector<LanguageRecord> read_language_records(const std::string& file);

}  // namespace lowland
