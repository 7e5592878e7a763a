// Conversations as the text a chat model was trained on. A template is a Jinja program (models/chat/jinja), a folder's
// own or one that is built in. tests/peers/check_chat_census.py compares with transformers' apply_chat_template.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizers/text_range.h"

namespace lowland {
namespace jinja {
class Template;
}

struct ChatMessage {
  std::string role;  // system, user, assistant, tool ... as the template has them
  std::string content;
  std::string json = {};  // where it is more than role and content: all of it, a JSON object
  bool learn = true;      // of an assistant's: weight is not 0
};

// Built in; S, U, A: contents; a later turn follows directly. Generation prompts are what stands in front of A.
//   llama2      <s>[INST] <<SYS>>\nS\n<</SYS>>\n\nU [/INST] A </s>
//   llama3      <|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nU<|eot_id|> ... (Llama 3.0)
//   llama3.1    the same; the system block is always there and begins with two lines of dates (3.1 to 3.3)
//   qwen2       <|im_start|>user\nU<|im_end|>\n ...; without S: "You are a helpful assistant."
//   qwen2.5     the same; without S the sentence that names Qwen and Alibaba Cloud
//   chatml      the same without any S of its own
//   mistral     <s>[INST] U [/INST]A</s>[INST] ... (7B-Instruct-v0.2 as first published; no system message)
//   mistral-v1  <s> [INST] S\n\nU [/INST] A</s> [INST] ... (v0.1 and v0.2 later)
//   mistral-v3  <s>[INST] U[/INST] A</s>[INST] ... (v0.3); S\n\n stands in the last message, if that is a user's
//   zephyr      <|user|>\nU</s>\n<|assistant|>\nA</s>\n (TinyLlama-Chat)
//   vicuna      S USER: U ASSISTANT: A</s>USER: ...; without S a sentence of its own (also LLaVA-1.5, style llava)
//   llava-hf    the same without any S of its own (LLaVA-1.5 as the llava-hf checkpoints document it)
//   dialogpt    S<|endoftext|>U<|endoftext|>A<|endoftext|>U ... (DialoGPT)
//   plain       S\nU\nA</s>U ...
// llama2, llama3, llama3.1 strip blanks around contents as Python's strip does, mistral-v3 around A.
struct ChatTemplate {
  std::string name = {};  // of a built-in, or the file it was read from
  std::shared_ptr<const jinja::Template> program = {};
  std::shared_ptr<const jinja::Template> tool_program = {};  // of a folder that has another one for `tools`
  // Built-in ones: no roles but system, user, assistant, system first.
  bool built_in = false;
  bool alternates = false;   // user and assistant by turns
  bool takes_system = true;  // may have a system message
  bool needs_bos = false;    // the token at the start is left to the tokenizer
};

// The names above, in that order.
const std::vector<std::string>& chat_template_names();
// A built-in by its name, or a file of one's own. Error that lists the names if it is neither, or no template.
ChatTemplate chat_template_of(const std::string& name);
// Its text: what a folder holds as chat_template.jinja. The token at the start, which some leave to the tokenizer, is
// in it: transformers adds none of its own.
std::string chat_template_text(const std::string& name);
// The template a folder asks for: chat_template.jinja, or the chat_template of tokenizer_config.json or
// chat_template.json (the one named default of several; tool_use, where conversations have tools). Error that names
// --chat-template where the folder has none, or what is wrong with it.
ChatTemplate load_chat_template(const std::string& folder);
// A template's text; source is named in errors.
ChatTemplate read_chat_template(std::string_view jinja, const std::string& source);

enum class Answers : uint8_t { none, all, last };

struct ChatOptions {
  std::string bos = "", eos = "";    // the tokenizer's, as text
  std::string date = "26 Jul 2024";  // what date_string and strftime_now tell; or 2024-07-26. Empty: no date_string
  bool generation_prompt = false;    // ends with what an answer follows
  std::string tools = {};            // a JSON list
  std::string variables = {};        // others that the template sees: a JSON object
  Answers answers = Answers::all;    // which of them are looked for
};

// A conversation as text.
struct ChatText {
  std::string text;
  std::vector<TextRange> contents;  // what was handed in: no special token is to be made of it
  // What the model says, which the loss is on: from behind the generation prompt to the end of the turn's last marker.
  std::vector<TextRange> answers;
  bool needs_bos = false;  // the template leaves the token at the start to the tokenizer
};

// Error, one sentence: what the template itself refuses; no message; of a built-in, roles that it does not have; tools,
// tool calls, reasoning or parts of a content that the template would leave out; answers that cannot be told apart.
// Answers are what stands in {% generation %}, or else found by rendering the conversation up to each of them, with and
// without the generation prompt: each of these texts must be the beginning of the whole one. Contents that are not
// UTF-8 are repaired.
ChatText render_chat(const ChatTemplate& chat, const std::vector<ChatMessage>& messages, const ChatOptions& options);
// The text alone, as apply_chat_template makes it of the same messages: nothing is refused but by the template.
std::string apply_chat_template(const ChatTemplate& chat, const std::vector<ChatMessage>& messages,
                                const ChatOptions& options);

}  // namespace lowland
