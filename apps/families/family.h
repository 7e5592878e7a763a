// Family: what a program is about. A new family brings one of these, and nothing else of apps changes.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "apps/families/bench_case.h"
#include "apps/families/session.h"
#include "models/hub/family.h"

namespace lowland::apps {

struct Family {
  std::string about;                                        // of --help
  std::map<std::string, std::string> help;                  // of a verb, where the verb's own words say too little
  std::function<HubFamily(const std::string& folder)> hub;  // files and adapters of a checkpoint
  std::function<std::unique_ptr<Session>()> session;        // of a checkpoint
  std::function<std::unique_ptr<Session>()> pretraining;    // of a model from scratch
  std::function<std::unique_ptr<BenchCase>()> bench;
};

Family roberta_app();
Family llama_app();
Family vlm_app();

}  // namespace lowland::apps
