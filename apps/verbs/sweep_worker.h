// One run of a sweep after another in one process. What a run shares with the one before it is kept: the Context, the
// frozen weights in memory and what layers give that only they make (nn/block_cache.h), and where model, data and seed
// are the same, tokenizer and tokenised data. The numbers of a
// run are those of a process of its own.
#pragma once
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/sweep/sweep_file.h"
#include "apps/verbs/train_verb.h"

namespace lowland::apps {

// A run's `finetune`, as far as its flags say.
class RunDoor {
 public:
  // Error where they are wrong. Nothing is opened.
  RunDoor(const Family& family, const std::vector<std::string>& arguments);
  ~RunDoor();
  TrainVerb& verb() { return *verb_; }
  nlohmann::json settings() const { return verb_->flags.to_json(); }

 private:
  std::unique_ptr<CLI::App> program_;
  std::unique_ptr<TrainVerb> verb_;
};

class SweepWorker {
 public:
  // out: the sweep's folder. threads: of a run whose flags do not say.
  SweepWorker(const Family& family, const Sweep& sweep, const Variables& variables, std::string out, int64_t threads);
  ~SweepWorker();

  // Trains and scores: head_of(run) and what came of it. Of a run that cannot be, or whose loss is no number, the
  // sentence under "error".
  nlohmann::ordered_json run(const SweepRun& run);

 private:
  std::vector<std::string> run_arguments(const SweepRun& run, const FlagValues& instead) const;
  Session& opened(std::unique_ptr<RunDoor> door);
  std::unique_ptr<nn::Model> model_of(Session& session);
  void forget_weights();
  void train_and_score(const SweepRun& run, Session& session, nlohmann::ordered_json& line);
  nlohmann::ordered_json score(const Session& session, const nn::Model& model, nlohmann::ordered_json& line) const;
  nlohmann::ordered_json elsewhere(const SweepRun& run, const nn::Model& model, bool before);

  const Family& family_;
  const Sweep& sweep_;
  const Variables& variables_;
  std::string out_;
  int64_t threads_;
  std::shared_ptr<Context> context_;
  nn::FrozenWeights frozen_;
  std::shared_ptr<nn::BlockCache> blocks_;  // of the blocks of these weights; null: none is wanted
  std::unique_ptr<RunDoor> door_;           // of the session that is open
  struct Elsewhere {
    nlohmann::json with;  // the settings that it was opened with
    std::unique_ptr<RunDoor> door;
    nlohmann::ordered_json before;  // metrics of the base, which pairs of B = 0 leave as it is
  };
  std::map<std::string, Elsewhere> elsewhere_;              // of [[also]], by name
  nlohmann::json opened_with_, model_with_, context_with_;  // the settings that these depend on
};

}  // namespace lowland::apps
