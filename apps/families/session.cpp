#include "apps/families/session.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "apps/common/progress.h"
#include "engine/error.h"
#include "models/gguf/gguf_model.h"
#include "models/hub/add_tokens.h"
#include "models/hub/config_alone.h"
#include "models/hub/initial_pairs.h"

namespace lowland::apps {

void Session::check() const {
  base.check();
  apps::check(lora);
  method.check();
  batch.check();
  system.check();
  splits.check();
  LL_CHECK(!batch.shard_base || !method.full(), "--shard-base divides a frozen base, and --method full trains it");
  LL_CHECK(!batch.shard_base || !takes_from_base(lora.init),
           "--shard-base: --init-lora-weights {} takes whole matrices apart", lora.init);
  LL_CHECK(!batch.shard_base || !lora.dora, "--shard-base: --use-dora begins with the lengths of whole matrices' rows");
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

std::string Session::with_new_tokens(const std::string& path) {
  if (base.add_tokens.empty()) return path;
  LL_CHECK(base.adapter.empty(), "--add-tokens is for a new adapter: the tokenizer of {} has what it was trained with",
           base.adapter);
  const std::filesystem::path at =
      std::filesystem::temp_directory_path() / fmt::format("lowland-tokens-{}", ::getpid());
  new_at_ = {new std::filesystem::path(at), [](const std::filesystem::path* made) {
               std::error_code none;
               std::filesystem::remove_all(*made, none);
               delete made;
             }};
  std::filesystem::remove_all(at);
  std::filesystem::create_directories(at);
  new_tokens_ = add_tokens(path, read_tokens(base.add_tokens), at.string());
  return at.string();
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
  agree("layers-to-transform", layer_numbers(told), layer_numbers(lora));
  agree("rslora", told.rslora, lora.rslora);
  agree("use-dora", told.dora, lora.dora);
  agree("rank-pattern", told.rank_pattern, lora.rank_pattern);
  agree("alpha-pattern", told.alpha_pattern, lora.alpha_pattern);
  agree("lora-bias", told.bias, lora.bias);
  agree("init-lora-weights", told.init, lora.init);
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
  if (method.full() && !adapter) {
    if (for_training) model.train([](const std::string&) { return true; });
  } else if (adapter || for_training) {
    attach_adapter(model, lora, family, adapter ? &*adapter : nullptr);
  }
  if (plans_only && std::filesystem::is_directory(folder) && !has_weights(folder)) {
    if (const auto type = bitsandbytes_type(read_model_file(folder + "/config.json"))) model.set_quantised(*type);
  } else if (!stored_ && !base.random_init && (std::filesystem::is_directory(folder) || folder.ends_with(".gguf"))) {
    stored_ = open_weights(folder, family).blocks();
  }
  if (stored_) model.set_stored_blocks(*stored_);
}

void Session::begin_pairs(nn::Model& model) {
  if (adapter || model.adapters().empty() || !takes_from_base(lora.init)) return;
  say(fmt::format("--init-lora-weights {}: {} weights are taken apart", lora.init, model.adapters().size()));
  initial_ = begin_with_base(model, lora.init);
}

void Session::read_grown(WeightMap& weights, nn::Model& model) const {
  if (new_tokens_.empty()) return;
  for (const auto& p : model.parameters().all()) {
    const bool table = is_vocabulary_module(p->name.substr(0, p->name.rfind('.')));
    if (!table || p->shape.size() != 2 || !weights.contains(p->name)) continue;
    weights.grow({p->name});
    p->replaced = weights.info(p->name).shape[0] < p->shape[0];
  }
}

void Session::train_new_tokens(const std::string& table, bool own_head) {
  if (new_tokens_.empty() || method.full()) return;
  const std::vector<std::string> whole = split_names(lora.modules_to_save);
  for (const std::string& module : {table, std::string(own_head ? "lm_head" : "")})
    if (!module.empty() && !is_within(module, whole)) lora.token_indices.emplace_back(module, new_tokens_);
}

LoadedAdapter Session::collected(const nn::Model& model, const HubFamily& family, int64_t longest) const {
  LoadedAdapter out = collect_adapter(model, lora, family, base_model_, initial_);
  out.card->max_length = longest;
  out.card->method_json = method.card_json();
  return out;
}

std::unique_ptr<nn::Model> filled_model(Session& session, bool for_training, const nn::FrozenWeights& shared) {
  std::unique_ptr<nn::Model> model = session.new_model(for_training);
  model->parameters().share(shared);
  if (session.adapter)
    if (const std::string lost = unmatched_targets(*model, *session.adapter); !lost.empty()) say(lost);
  model->set_recompute(session.batch.recompute == "block");
  if (session.narrow_weights) session.system.keep_frozen(*model, session.batch, *session.context);
  if (session.batch.shard_base) model->shard(session.batch.rank.world, session.batch.rank.index);
  model->materialise(*session.context, session.system.compute_dtype(*session.context));
  session.fill(*model);
  if (session.ranks != nullptr) model->gather_with(session.ranks);
  session.begin_pairs(*model);
  return model;
}

}  // namespace lowland::apps
