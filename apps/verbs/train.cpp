// finetune and pretrain: a session's model is trained into a run. What differs between the two is the session.
#include "apps/common/progress.h"
#include "apps/settings/input_paths.h"
#include "apps/train/inputs.h"
#include "apps/train/probes.h"
#include "apps/train/ranks.h"
#include "apps/train/run.h"
#include "apps/train/run_lock.h"
#include "apps/train/score.h"
#include "apps/verbs/train_verb.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"
#include "models/hub/hub_folder.h"
#include "models/tokenizers/printable.h"
#include "models/tokenizers/utf8.h"

namespace lowland::apps {
namespace {

// With --resume: the settings of RUN/run.json, which the first process reads. Error, naming both values, where a given
// flag contradicts them.
void take_resumed(const Flags& flags, OutputSettings& output, dist::Communicator& ranks) {
  LL_CHECK(!output.out.empty(), "--resume needs --out, the folder of the run");
  const std::string read = ranks.leads() ? read_run_settings(output.out).dump() : "";
  const nlohmann::json stored = nlohmann::json::parse(ranks.broadcast(read, "the settings")), mine = flags.to_json();
  for (const auto& [name, value] : stored.items()) {
    if (name == "out" || name == "resume" || name == "overwrite" || !flags.given(name)) continue;
    LL_CHECK(mine.contains(name) && mine.at(name) == value, "--{} {} contradicts the run that is resumed, which has {}",
             name, mine.at(name).dump(), value.dump());
  }
  const std::string out = output.out;
  flags.take_all(stored, out + "/run.json");
  output = {
      .out = out, .resume = true, .overwrite = false, .verbose = output.verbose, .tensorboard = output.tensorboard};
}

// Whether there is nothing to go on with: the run has its outcome and all that it leaves.
bool is_finished(const std::filesystem::path& run, const std::string& result) {
  return read_json_file(run / "run.json").contains("finished") && std::filesystem::exists(run / result) &&
         std::filesystem::exists(run / "report.html");
}

void say_finished(const std::filesystem::path& run, const std::string& result) {
  // Left by one that was killed behind its last file.
  if (std::filesystem::exists(run / kLockFile)) const RunLock taken(run);
  const auto steps = read_json_file(run / "run.json").value("steps", int64_t{0});
  say(fmt::format(
      "{} is finished after {} steps, and stays as it is; to train its {} further, give --{} {} and another --out",
      run.string(), steps, result, result, (run / result).string()));
}

// Names that go into the files of a run.
void check_names(const Session& session) {
  const auto check = [](const std::string& name, const char* what) {
    LL_CHECK(utf8_valid(name), "{} `{}` is not UTF-8: the files of a run cannot name it", what, printable(name));
  };
  check(std::filesystem::current_path().string(), "the working directory");
  check(session.folder, "the folder");
  for (const std::string& label : session.labels()) check(label, "the label");
}

// All that a run learns from, by the flags that name it.
std::vector<InputGroup> inputs_of(const Session& session, const Flags& flags) {
  std::vector<InputGroup> groups;
  const std::vector<std::string> data = session.data_files();
  for (const auto& [name, path] : input_paths(flags.to_json())) {
    InputGroup group{"--" + name, {}, false};
    const bool is_data = name == "data", of_pictures = name == "image-dir" || name == "class-dir";
    if (name == "run" || name == "cache-features" || of_pictures || (is_data && !data.empty())) continue;
    if (is_data) {
      group.files = tables_below(path);
    } else if (std::filesystem::exists(path)) {
      group.files = files_of_model(path);
    } else {
      group.files = files_of_model(resolve_model_folder(path));  // a name in the local cache
    }
    groups.push_back(std::move(group));
  }
  groups.push_back({"--data", data, false});
  groups.push_back({"pictures", session.picture_files(), true});
  return groups;
}

void run(TrainVerb& verb, dist::Communicator& ranks) {
  if (verb.output.resume) {
    take_resumed(verb.flags, verb.output, ranks);
    const bool finished = ranks.leads() && is_finished(verb.output.out, verb.door->result());
    if (finished) say_finished(verb.output.out, verb.door->result());
    if (!ranks.broadcast(finished ? "finished" : "", "whether there is something to do").empty()) return;
  } else {
    take_defaults(verb);
  }
  Session& session = checked(verb);
  session.ranks = &ranks;
  RunFolder folder =
      ranks.leads() ? RunFolder(verb.output, input_paths(verb.flags.to_json())) : RunFolder(verb.output.resume);

  session.open(verb.flags);
  session.load({});
  if (const std::string why = dist::use_device(ranks, *session.context); !why.empty())
    say(fmt::format("gradients go by way of the host: {}", why));
  check_metric(verb.training.best_metric, session.objective());
  LL_CHECK(verb.training.patience == 0 || !session.objective().lengths(DataSplit::dev).empty(),
           "--early-stopping-patience {}: there is nothing to evaluate on", verb.training.patience);
  check_names(session);
  InputHashes hashes(inputs_of(session, verb.flags), session.labels());  // while the weights are read
  const MemoryPlan plan =
      log_memory_plan(session.planned(verb.training), session.batch, *session.context, verb.output.verbose);
  if (const std::string faster = session.system.faster_dtype(detect_cpu_bf16());
      session.context->on_cpu() && !faster.empty())
    say(faster);
  const std::unique_ptr<nn::Model> model = filled_model(session, true);
  const auto method = optim::make_method(session.method.name, model->arena(),
                                         verb.training.method_options(session.method, session.system.seed));

  // Everything that can be refused has been: from here on the run's folder is written.
  nlohmann::json settings = verb.flags.to_json();
  settings["resume"] = settings["overwrite"] = false;  // of this process, not of the run
  const RunIdentity identity{settings, hashes.finish(verb.output.verbose)};
  check_same(ranks, identity, model->arena());
  folder.begin(settings);
  if (folder.writes()) session.begin_run(folder.path());
  run_training({.model = *model,
                .method = *method,
                .objective = session.objective(),
                .settings = verb.training,
                .batch = session.batch,
                .system = session.system,
                .write_result = [&](const std::filesystem::path& into) { session.write(*model, into); },
                .result = session.result(),
                .identity = identity,
                .ranks = &ranks},
               folder, verb.flags, plan.peak());
  session.finish();
}

}  // namespace

void take_defaults(TrainVerb& verb) {
  take_run(verb.flags, verb.door->base);
  verb.door->method.fill_in_defaults(verb.flags);
}

Session& checked(TrainVerb& verb) {
  Session& session = verb.door->chosen();
  session.check();
  verb.training.fill_in_defaults(session.method);
  verb.training.check();
  parse_probes("probe", verb.training.probe);
  return session;
}

void add_train_flags(TrainVerb& verb, Verb which) {
  Session& session = *verb.door;
  Flags& flags = verb.flags;
  if (which == Verb::finetune) session.base.add_flags(flags);
  session.add_flags(flags, which);
  if (which == Verb::finetune) {
    add_flags(session.lora, flags);
    session.method.add_flags(flags, session.rho_help);
  } else {
    session.method.name = "full";
    flags.keep("method", &session.method.name);
    verb.training.lr = session.pretraining_lr;
  }
  verb.training.add_flags(flags, session.batch, session.label_smoothing);
  if (which == Verb::pretrain)
    for (const char* of_adapters : {"lora-plus-ratio", "precondition"}) flags.drop(of_adapters);
  if (!session.smooths_labels) flags.drop("label-smoothing");
  session.system.add_flags(flags);
  verb.ranks.add_flags(flags);
  if (which == Verb::finetune) session.batch.add_shard_base(flags);
  verb.output.add_flags(flags);
  if (which == Verb::finetune) session.base.add_name_flag(flags);
}

namespace {

void add_train(const std::shared_ptr<TrainVerb>& verb, Verb which) {
  add_train_flags(*verb, which);
  verb->flags.add_config_file();
  verb->flags.on_run([verb] {
    const auto ranks = join_ranks(verb->ranks, verb->door->system, verb->door->batch);
    run_together(*ranks, [&] { run(*verb, *ranks); });
  });
}

}  // namespace

void add_finetune(CLI::App& app, const Family& family) {
  add_train(std::make_shared<TrainVerb>(app, family, "finetune", "Train an adapter (or all weights)", family.session()),
            Verb::finetune);
}

void add_pretrain(CLI::App& app, const Family& family) {
  add_train(std::make_shared<TrainVerb>(app, family, "pretrain", "Train a model from scratch", family.pretraining()),
            Verb::pretrain);
}

}  // namespace lowland::apps
