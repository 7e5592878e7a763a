// A conversation with images to ids: `<image>` in the messages stands where an image is, and becomes the image token.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "models/chat/encode_chat.h"
#include "models/vlm/config.h"

namespace lowland {

inline constexpr const char* kImageText = "<image>";

struct ImagePrompt {
  ChatTemplate chat;        // llava-hf as the llava-hf folders document it, vicuna as LLaVA's own code has it
  bool separately = false;  // tokenise the text before and after an image apart, as LLaVA's own code does
};

// "hf" or "llava", else Error.
ImagePrompt image_prompt_of(const std::string& style);

// Ids with config.image_tokens() image tokens for each `<image>`, none of them a target. Where the tokenizer does not
// know `<image>`, the text around it is tokenised apart, too. generation_prompt: end with what an answer follows.
ChatIds encode_with_images(const Tokenizer& tokenizer, const ImagePrompt& prompt, const VlmConfig& config,
                           const std::vector<ChatMessage>& messages, bool generation_prompt);

}  // namespace lowland
