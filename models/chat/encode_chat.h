// A conversation to ids, with the tokens that the loss is on.
#pragma once
#include <cstdint>
#include <vector>

#include "models/chat/chat_template.h"
#include "models/tokenizers/tokenizer.h"

namespace lowland {

struct ChatIds {
  std::vector<int32_t> ids;
  // Whether the id lies wholly in what the model says, end of turn included. One that straddles the prompt's
  // end is the prompt's.
  std::vector<uint8_t> is_answer;
};

// Bos and eos of options are the tokenizer's own texts where they are empty. Ids are apply_chat_template's,
// but that special tokens' texts within contents are encoded as text. Where the template leaves it to the
// tokenizer, the tokens it puts in front of a text (`<s>`) are there, once.
ChatIds encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat, const std::vector<ChatMessage>& messages,
                    ChatOptions options = {});

// The token that ends an assistant's turn: the first special one behind what it says, as the template writes it. -1
// where there is none.
int32_t end_of_turn(const Tokenizer& tokenizer, const ChatTemplate& chat);

// The same as encode_chat of a text that is rendered already.
ChatIds encode_chat_text(const Tokenizer& tokenizer, const ChatText& text);

}  // namespace lowland
