// What the verbs that work on a session share: the door, and what comes behind it.
#pragma once
#include <memory>
#include <string>

#include "apps/families/family.h"

namespace CLI {
class App;
}

namespace lowland::apps {

// A verb under way: its session with the flags that fill it in. Verbs derive from it what else they are told.
struct SessionVerb {
  std::unique_ptr<Session> door;
  Flags flags;

  SessionVerb(CLI::App& program, const Family& family, const std::string& name, const std::string& help,
              std::unique_ptr<Session> session);

  // The session, with what --run fills in, checked. Opens nothing. shares: several processes may work on the verb, else
  // Error in one of several.
  Session& enter(bool shares = false);

 private:
  std::string name_;
};

// --run: what was not given comes from RUN/run.json, and the model or adapter from RUN.
void take_run(const Flags& flags, BaseSettings& base);

}  // namespace lowland::apps
