// The files of a fine-tuning or an evaluation, as examples.
#pragma once
#include "apps/llama/examples.h"
#include "apps/llama/session.h"

namespace lowland::apps {

struct LanguageData {
  LanguageSplit train, dev, test;
};

// Which splits to read.
struct LanguageWanted {
  bool train = true, dev = true, test = false;
};

// --train, --dev, --test as ids; without --dev, --dev-fraction of the training examples is held out, by the seed.
// Says what was read.
LanguageData load_language_data(const Session& session, const LanguageWanted& wanted);

}  // namespace lowland::apps
