#include <memory>

#include "apps/bench/bench_step.h"
#include "apps/bench/bench_verb.h"
#include "apps/common/flags.h"
#include "apps/common/progress.h"
#include "apps/common/run_folder.h"
#include "apps/common/training_run.h"
#include "apps/roberta/session.h"
#include "apps/roberta/verbs.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

struct BenchFlags {
  std::string preset = "roberta-base", lengths;
  int64_t batch = 8, length = 128;
  BenchVerbFlags verb;
};

RobertaConfig preset_config(const std::string& preset) {
  RobertaConfig c;
  c.vocab_size = 50265;
  c.max_position_embeddings = 514;
  c.type_vocab_size = 1;
  c.layer_norm_eps = 1e-5;
  if (preset == "roberta-base") return c;
  LL_CHECK(preset == "roberta-large", "--preset must be roberta-base or roberta-large, got {}", preset);
  c.hidden_size = 1024;
  c.num_hidden_layers = 24;
  c.num_attention_heads = 16;
  c.intermediate_size = 4096;
  return c;
}

// The lengths of each batch: all `length`, or as a JSON file lists them ({"lengths": [[...], ...]} or [[...], ...]).
std::vector<std::vector<int64_t>> batch_lengths(const BenchFlags& f) {
  if (f.lengths.empty()) return {std::vector<int64_t>(static_cast<size_t>(f.batch), f.length)};
  nlohmann::json j = read_json_file(f.lengths);
  if (j.is_object() && j.contains("lengths")) j = j.at("lengths");
  try {
    return j.get<std::vector<std::vector<int64_t>>>();
  } catch (const nlohmann::json::exception&) {
    fail("{}: expected a list of lists of lengths", f.lengths);
  }
}

// One method with a model, an optimizer and a memory of its own.
struct Subject {
  Settings settings;
  std::unique_ptr<Context> context;
  std::unique_ptr<Roberta> model;
  std::unique_ptr<optim::Method> method;
  std::unique_ptr<StepPasses> passes;
  std::vector<std::vector<int64_t>> lengths;

  Subject(const Settings& base, const std::string& name, const RobertaConfig& config,
          std::vector<std::vector<int64_t>> batches)
      : settings(base), context(make_context(base)), lengths(std::move(batches)) {
    settings.method = name;
    model = std::make_unique<Roberta>(config, RobertaHead::classification);
    if (name == "full") {
      model->train([](const std::string&) { return true; });
    } else {
      model->attach_lora(lora_config(settings, kRobertaTargets));
      model->train([](const std::string& n) { return n.rfind("classifier.", 0) == 0; });
    }
    model->set_recompute(settings.recompute == "block");
    model->materialise(*context, compute_dtype(settings, *context));
    fill_weights(*model, config.initializer_range);
    method = optim::make_method(name, model->arena(), method_options(settings));
    const auto loss = [m = model.get()](const PackedBatch& b, const nn::Mode& mode, double scale) {
      CrossEntropyOptions options;
      options.scale = scale;
      return ops::cross_entropy(m->forward(b.rows, mode), b.targets, options);  // (1)
    };
    passes = std::make_unique<StepPasses>(*model, *method, loss, !settings.no_graphs);
  }

  int64_t step(int64_t index) {
    const std::vector<int64_t>& batch = lengths[static_cast<size_t>(index) % lengths.size()];
    const uint64_t vocab = static_cast<uint64_t>(model->config().vocab_size);
    std::vector<nn::Segment> segments;
    std::vector<int32_t> labels;
    for (size_t i = 0; i < batch.size(); ++i) {
      nn::Segment s{{}, static_cast<int64_t>(i), {0}};
      for (int64_t p = 0; p < batch[i]; ++p)
        s.ids.push_back(static_cast<int32_t>(mix64(static_cast<uint64_t>(index * 1000003 + p) ^ (i << 40)) % vocab));
      labels.push_back(static_cast<int32_t>((i + static_cast<size_t>(index)) % 2));
      segments.push_back(std::move(s));
    }
    return bench_step(*model, *method, settings, *passes, pack_batch(*context, segments, std::move(labels)), index);
  }
};

void bench(Settings settings, const BenchFlags& flags) {
  apply(flags.verb, settings);
  const RobertaConfig config = preset_config(flags.preset);
  BenchVerb verb;
  verb.preset = flags.preset;
  verb.make = [&](const std::string& method) {
    const auto s = std::make_shared<Subject>(settings, method, config, batch_lengths(flags));
    verb.dtype = name_of(s->model->dtype());
    verb.more["shape"] = flags.lengths.empty() ? fmt::format("{} x {}", flags.batch, flags.length) : "lengths";
    return BenchMethod{s, s->context.get(), [s = s.get()](int64_t step) { return s->step(step); }};
  };
  run_bench_verb(verb, flags.verb);
}

}  // namespace

void add_bench(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* verb =
      app.add_subcommand("bench", "Time training steps of several methods side by side, on random weights");
  const OptionBinder bind{*verb};
  bind("preset", flags->preset, "roberta-base or roberta-large");
  bind("batch,batch-size", flags->batch, "Sequences per step");
  bind("length,max-length,max-seq-length", flags->length, "Tokens per sequence");
  bind("lengths", flags->lengths, "JSON file with a list of batches, each a list of lengths, instead");
  visit_bench(flags->verb, bind);
  bind("recompute", settings->recompute, "none or block");
  visit_lora(*settings, bind);
  visit_system(*settings, bind);
  verb->callback([settings, flags] { bench(*settings, *flags); });
}

}  // namespace lowland::apps
