#include <unistd.h>

#include "apps/common/generate_text.h"
#include "apps/data/text_file.h"
#include "apps/families/language_session.h"
#include "apps/verbs/session_verb.h"
#include "apps/verbs/talk.h"
#include "apps/verbs/verbs.h"

namespace lowland::apps {
namespace {

struct ChatVerb : SessionVerb {
  using SessionVerb::SessionVerb;
  SamplingSettings sampling{.max_new_tokens = 512};
  std::string system;
};

// Reads what the user says from a pipe or file, a line a turn, and answers each; its end ends the conversation.
void answer_lines(LanguageSession& session, const nn::Model& model, const TextOptions& options,
                  const std::string& system) {
  std::vector<ChatMessage> messages;
  if (!system.empty()) messages.push_back({"system", system});
  LineReader said("-");
  for (std::string line; said.next_filled(line);) {
    if (!session.take_line(line)) continue;
    messages.push_back({"user", line});
    const std::vector<int32_t> ids = session.conversation(messages);
    check_room(session.language(model), ids);
    const EmbedPrompts embed = session.embedding(model, ids);
    messages.push_back(
        {"assistant", print_generated(session.language(model), *session.tokenizer, ids, options, embed).text});
  }
}

void run(ChatVerb& verb) {
  auto& session = dynamic_cast<LanguageSession&>(verb.enter());
  session.open(verb.flags);
  session.begin_chat();
  const Tokenizer& tokenizer = *session.tokenizer;
  verb.sampling.take(GenerationConfig::from_folder(session.folder), verb.flags);
  TextOptions options = generate_options(session.text_config(), tokenizer, session.system.seed, verb.sampling);
  if (!verb.sampling.ignore_eos) add_stop(options, session.end_of_turn());
  const std::unique_ptr<nn::Model> model = filled_model(session, false);
  if (isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0) {
    talk(session, *model, options, verb.system);
  } else {
    answer_lines(session, *model, options, verb.system);
  }
}

}  // namespace

void add_chat(CLI::App& app, const Family& family) {
  const auto verb = std::make_shared<ChatVerb>(
      app, family, "chat", "Talk with the model: at a terminal, or a line a turn from stdin", family.session());
  Session& session = *verb->door;
  session.base.add_flags(verb->flags);
  session.base.add_tokenizer(verb->flags);
  session.add_flags(verb->flags, Verb::chat);
  if (session.takes_system) verb->flags.add("system", &verb->system, "System message");
  verb->sampling.add_flags(verb->flags);
  session.batch.add_weights_dtype(verb->flags, "Weights");
  session.system.add_flags(verb->flags);
  verb->flags.on_run([verb] { run(*verb); });
}

}  // namespace lowland::apps
