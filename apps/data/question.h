// Question: something asked about pictures, with what is to be said, as every reader gives it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/chat/chat_template.h"

namespace lowland {

// Stands in a text where a picture belongs.
inline constexpr std::string_view kImageMark = "<image>";

struct Question {
  std::vector<std::string> images;    // files, one for each mark in the user's messages, in their order
  std::vector<ChatMessage> messages;  // a conversation; its last message is the answer to learn, where there is one
  std::vector<std::string> answers;   // what counts as right: one text, or those of several people; or none
  std::vector<std::string> choices;   // what the assistant may say, of a multiple choice
  int64_t choice = -1;                // the right one of them
  std::vector<std::string> groups;    // of ScienceQA's table: NAT, IMG, G1-6, ...
  std::string id;
  int64_t index = 0;  // among those of its split, with the ones that are left out
  std::string where;  // "file:line", "file:line (record 3)", "problems.json: problem 3"
  bool labelled() const { return !answers.empty(); }
};

// The first of the answers that most people gave.
std::string commonest(const std::vector<std::string>& answers);
// A mark and a newline for each picture that the text does not place itself, then the text, then the instruction on a
// line of its own.
std::string question_text(size_t images, const std::string& text, const std::string& instruction);
// Error, naming the place: marks and pictures that differ in number, a mark outside the user's messages, a right choice
// that is not there.
void check_question(const Question& question);

}  // namespace lowland
