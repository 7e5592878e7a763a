// Conversations as the text a chat model was trained on. The templates are those of the published
// checkpoints, written in C++; tests/golden/make_chat_golden.py compares them with transformers'
// apply_chat_template.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizers/text_range.h"

namespace lowland {

struct ChatMessage {
  std::string role;  // system (only first), user, assistant
  std::string content;
};

// S, U, A: contents; a later turn follows directly. Generation prompts are what stands in front of A.
//   llama2      <s>[INST] <<SYS>>\nS\n<</SYS>>\n\nU [/INST] A </s>
//   llama3      <|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nU<|eot_id|> ... (Llama 3.0)
//   llama3.1    the same; the system block is always there and begins with two lines of dates (3.1 to 3.3)
//   qwen2       <|im_start|>user\nU<|im_end|>\n ...; without S: "You are a helpful assistant."
//   qwen2.5     the same; without S the sentence that names Qwen and Alibaba Cloud
//   chatml      the same without any S of its own
//   mistral     <s>[INST] U [/INST]A</s>[INST] ... (7B-Instruct-v0.2 as first published; no system message)
//   mistral-v1  <s> [INST] S\n\nU [/INST] A</s> [INST] ... (v0.1 and v0.2 later)
//   mistral-v3  <s>[INST] U[/INST] A</s>[INST] ... (v0.3); S\n\n stands in the last message, if that is a
//   user's zephyr      <|user|>\nU</s>\n<|assistant|>\nA</s>\n (TinyLlama-Chat) vicuna      S USER: U
//   ASSISTANT: A</s>USER: ...; without S a sentence of its own (also LLaVA-1.5, style llava) llava-hf    the
//   same without any S of its own (LLaVA-1.5 as the llava-hf checkpoints document it) plain S\nU\nA</s>U ...
// llama2, llama3, llama3.1 strip blanks around contents as Python's strip does, mistral-v3 around A.
enum class ChatKind {
  kLlama2,
  kLlama3,
  kLlama31,
  kQwen2,
  kQwen25,
  kChatml,
  kMistral,
  kMistralV1,
  kMistralV3,
  kZephyr,
  kVicuna,
  kLlavaHf,
  kPlain
};

struct ChatTemplate {
  ChatKind kind = ChatKind::kPlain;
  bool strip_answer = true;  // mistral-v3: some of its checkpoints do not
};

// The names above, in that order.
const std::vector<std::string>& chat_template_names();
// Error that lists the names if there is no such template.
ChatTemplate chat_template_of(const std::string& name);
std::string name_of(const ChatTemplate& chat);

struct ChatOptions {
  std::string bos = "", eos = "";    // the tokenizer's, as text
  std::string date = "26 Jul 2024";  // llama3.1
  bool generation_prompt = false;    // ends with what an answer follows
};

// A conversation as text.
struct ChatText {
  std::string text;
  std::vector<TextRange> contents;  // what was handed in: no special token is to be made of it
  // What the model says, which the loss is on: from behind the generation prompt to the end of the turn's
  // last marker.
  std::vector<TextRange> answers;
  bool needs_bos = false;  // the template leaves the token at the start to the tokenizer
};

// Error, one sentence: no message, an unknown role, a system message that is not the first or that the
// template does not have, roles that do not alternate where the published template insists. Contents that are
// not UTF-8 are repaired.
ChatText render_chat(const ChatTemplate& chat, const std::vector<ChatMessage>& messages, const ChatOptions& options);

// The template a folder asks for: chat_template.jinja, or the chat_template of tokenizer_config.json or
// chat_template.json (the one named default of several). It is recognised by what it is made of: every text
// it can put out, outside of the parts for tools, must be one of a built-in template, and all of that one's
// must be there; its logic is not interpreted. Error that names --chat-template where the folder has none or
// it is none of the built-in.
ChatTemplate detect_chat_template(const std::string& folder);
// The same for a template's text; source is named in the error.
ChatTemplate recognise_chat_template(std::string_view jinja, const std::string& source);

}  // namespace lowland
