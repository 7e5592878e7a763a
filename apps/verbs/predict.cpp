#include <unistd.h>

#include <cstdio>

#include "apps/verbs/session_verb.h"
#include "apps/verbs/verbs.h"
#include "models/tokenizers/printable.h"

namespace lowland::apps {
namespace {

void run(SessionVerb& verb) {
  Session& session = verb.enter();
  session.open(verb.flags);
  session.read_input();  // refused now, if it is wrong
  const std::unique_ptr<nn::Model> model = filled_model(session, false);
  const bool terminal = isatty(STDOUT_FILENO) != 0;  // a file gets the bytes as they are
  session.predict(*model, [&](const std::string& line) {
    std::printf("%s\n", terminal ? printable_lines(line).c_str() : line.c_str());
  });
  session.finish();
}

}  // namespace

void add_predict(CLI::App& app, const Family& family) {
  const auto verb = std::make_shared<SessionVerb>(app, family, "predict", "", family.session());
  Session& session = *verb->door;
  session.base.add_flags(verb->flags);
  session.add_flags(verb->flags, Verb::predict);
  verb->flags.add("batch-size,batch", &session.batch.batch_size, "Examples per forward pass");
  session.system.add_flags(verb->flags);
  verb->flags.on_run([verb] { run(*verb); });
}

}  // namespace lowland::apps
