// finetune and pretrain before anything is opened: their flags, and the session that these fill in. `sweep` makes one
// for each of its runs.
#pragma once
#include "apps/verbs/session_verb.h"

namespace lowland::apps {

struct TrainVerb : SessionVerb {
  using SessionVerb::SessionVerb;
  TrainingSettings training;
  OutputSettings output;
  RankSettings ranks;
};

void add_train_flags(TrainVerb& verb, Verb which);  // all but --config

// Once the flags are read: what --run and the method say of those that were not given; and the session, checked.
void take_defaults(TrainVerb& verb);
Session& checked(TrainVerb& verb);

}  // namespace lowland::apps
