#include "apps/families/session.h"

#include <nlohmann/json.hpp>

#include "apps/common/progress.h"
#include "engine/error.h"

namespace lowland::apps {

void Session::check() const {
  base.check();
  apps::check(lora);
  method.check();
  batch.check();
  system.check();
  splits.check();
  LL_CHECK(label_smoothing >= 0 && label_smoothing < 1, "--label-smoothing must be at least 0 and less than 1, got {}",
           label_smoothing);
}

nlohmann::ordered_json Session::evaluate(const nn::Model& model, DataSplit split) {
  Evaluation e = evaluated(model, split);
  if (!e.detail.is_null()) e.metrics.update(e.detail);
  return e.metrics;
}

Evaluation Session::evaluated(const nn::Model& model, DataSplit split) const {
  Progress bar("evaluate", static_cast<int64_t>(objective().lengths(split).size()));
  objective().on_progress = [&bar](int64_t done, int64_t) { bar.update(done, ""); };
  Evaluation e = objective().evaluate(model, split, batch);
  objective().on_progress = {};
  return e;
}

PlannedRun Session::planned(const TrainingSettings& training) const {
  return {.new_model = [this] { return new_model(true); },
          .objective = objective(),
          .how = method,
          .training = training,
          .system = system,
          .lora_dropout = lora.dropout,
          .narrow_weights = narrow_weights,
          .token_budget = token_budget};
}

void Session::open_tokenizer(const std::string& path, int64_t rows) {
  tokenizer = load_tokenizer(path);
  tokenizer->limit_to(rows);
  for (const std::string& note : tokenizer->notes()) say(note);
}

void Session::take_adapter(const Flags& flags, const HubFamily& family) {
  if (base.adapter.empty()) {
    if (lora.targets.empty()) lora.targets = family.default_targets;  // run.json shall hold what was used
    return;
  }
  LL_CHECK(!method.full(),
           "--method full trains the weights of a checkpoint, and --adapter {} is not part of them: merge it first, "
           "then train what `merge` wrote",
           base.adapter);
  adapter = load_adapter(base.adapter, family.rename);
  const AdapterSettings told = lora;
  lora = settings_of(*adapter);
  const auto agree = [&](const char* flag, const auto& mine, const auto& theirs) {
    LL_CHECK(!flags.given(flag) || mine == theirs, "--{} {} contradicts {}, which has {}", flag,
             nlohmann::json(mine).dump(), base.adapter, nlohmann::json(theirs).dump());
  };
  agree("rank", told.rank, lora.rank);
  agree("alpha", told.alpha, lora.alpha);
  agree("lora-dropout", told.dropout, lora.dropout);
  agree("targets", told.targets, lora.targets);
  agree("rslora", told.rslora, lora.rslora);
  agree("ensure-weight-tying", told.ensure_weight_tying, lora.ensure_weight_tying);
  lora.modules_to_save = told.modules_to_save;
}

void Session::fill_at_random(nn::Model& model) {
  const auto seed = static_cast<uint64_t>(system.seed);
  model.parameters().initialise(seed, random_std, [](const std::string&) { return true; });
  model.initialise_adapters(seed);
  base_model_ = {folder, folder.empty() ? "" : base_model_name(base.base_model_name, folder),
                 fmt::format("random weights, seed {}", system.seed)};
}

void Session::choose_trained(nn::Model& model, const HubFamily& family, bool for_training) const {
  if (adapter && for_training) check_trains_on(*adapter);
  if (method.full() && !adapter) {
    if (for_training) model.train([](const std::string&) { return true; });
  } else if (adapter || for_training) {
    attach_adapter(model, lora, family, adapter ? &*adapter : nullptr);
  }
}

LoadedAdapter Session::collected(const nn::Model& model, const HubFamily& family, int64_t longest) const {
  LoadedAdapter out = collect_adapter(model, lora, family, base_model_);
  out.card->max_length = longest;
  out.card->method_json = method.card_json();
  return out;
}

std::unique_ptr<nn::Model> filled_model(Session& session, bool for_training) {
  std::unique_ptr<nn::Model> model = session.new_model(for_training);
  if (session.adapter)
    if (const std::string lost = unmatched_targets(*model, *session.adapter); !lost.empty()) say(lost);
  model->set_recompute(session.batch.recompute == "block");
  if (session.narrow_weights) model->set_frozen_dtype(session.system.weights_dtype(session.batch, *session.context));
  model->materialise(*session.context, session.system.compute_dtype(*session.context));
  session.fill(*model);
  return model;
}

}  // namespace lowland::apps
