// The verb chat at a terminal: a prompt, an answer that Ctrl-C stops, and commands that begin with a slash.
#pragma once
#include <string>

#include "apps/common/generate_text.h"
#include "apps/families/language_session.h"

namespace lowland::apps {

// Until /exit, the end of the input, or Ctrl-C twice at the prompt, which throws Interrupted. Turns that leave the
// model no room for an answer are dropped from the oldest on, which is said.
void talk(LanguageSession& session, const nn::Model& model, const TextOptions& options, const std::string& system);

}  // namespace lowland::apps
