#include <cstdio>
#include <iostream>

#include "apps/common/flags.h"
#include "apps/common/generate_text.h"
#include "apps/llama/session.h"
#include "apps/llama/verbs.h"
#include "models/chat/encode_chat.h"

namespace lowland::apps {
namespace {

// Reads what the user says from stdin, a line a turn, and answers each; the end of the input ends the conversation.
void chat(Settings settings, const SamplingFlags& flags, const std::string& system) {
  Session session(std::move(settings));
  const Settings& s = session.settings;
  const ChatTemplate chat_template =
      s.chat_template.empty() ? detect_chat_template(session.folder) : chat_template_of(s.chat_template);
  const GenerateOptions options = generate_options(session.config, *session.tokenizer, session.settings.seed, flags);
  session.build_model(false);
  std::vector<ChatMessage> messages;
  if (!system.empty()) messages.push_back({"system", system});
  ChatOptions chat_options;
  chat_options.date = s.date;
  chat_options.generation_prompt = true;
  for (std::string line; std::getline(std::cin, line);) {
    if (line.empty()) continue;
    messages.push_back({"user", line});
    const std::vector<int32_t> ids = encode_chat(*session.tokenizer, chat_template, messages, chat_options).ids;
    check_room(*session.model, ids);
    messages.push_back({"assistant", print_generated(*session.model, *session.tokenizer, ids, options).text});
  }
}

}  // namespace

void add_chat(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  auto flags = std::make_shared<SamplingFlags>();
  auto system = std::make_shared<std::string>();
  flags->max_new_tokens = 512;
  CLI::App* verb = app.add_subcommand("chat", "Answers on stdout to what stdin says, a line a turn");
  const OptionBinder bind{*verb};
  visit_input(*settings, bind);
  bind("tokenizer", settings->tokenizer, "Tokenizer, where it is not in the model's folder");
  bind("chat-template", settings->chat_template, "Template, where the folder's own is not to be used");
  bind("date", settings->date, "The day that a llama3.1 conversation names");
  bind("system", *system, "System message");
  bind_sampling(bind, *flags);
  bind("weights-dtype", settings->weights_dtype, "Weights in f32 or bf16; auto: as --dtype");
  visit_system(*settings, bind);
  verb->callback([settings, flags, system] { chat(*settings, *flags, *system); });
}

}  // namespace lowland::apps
