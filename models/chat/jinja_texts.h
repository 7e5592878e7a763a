// What a chat template of Hugging Face, which is a jinja program, can put out. Only its surface is read: no
// statement is run.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace lowland {

struct JinjaTexts {
  // The texts in quotes, with escapes resolved, but for those in subscripts and comparisons and in
  // raise_exception(...). tools: within a branch or a loop that is for tools only.
  struct Text {
    std::string text;
    bool tools;
  };
  std::vector<Text> texts;
  // Text between tags that is not blank, or is put out because no tag strips it (trim_blocks and
  // lstrip_blocks are on, as in transformers).
  std::vector<std::string> between;
  // All tags without blanks, each in its braces, quotes as ', `-` left out; comments left out.
  std::string code;
};

JinjaTexts read_jinja(std::string_view jinja);

}  // namespace lowland
