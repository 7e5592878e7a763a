#include <memory>

#include "apps/bench/bench_model.h"
#include "apps/common/flags.h"
#include "apps/common/progress.h"
#include "apps/common/run_folder.h"
#include "apps/roberta/session.h"
#include "apps/roberta/verbs.h"
#include "engine/error.h"
#include "models/roberta/family.h"

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

using Subject = BenchModel<Roberta>;

std::shared_ptr<Subject> make_subject(const Settings& base, const std::string& method, const RobertaConfig& config) {
  const auto choose = [](Roberta& model, const Settings& s, const Context&) {
    if (s.method == "full") return model.train([](const std::string&) { return true; });
    model.attach_lora(lora_config(adapter_settings(s), roberta_family()));
    model.train([](const std::string& n) { return n.rfind("classifier.", 0) == 0; });
  };
  const auto loss = [](const Roberta& model, const PackedBatch& b, const nn::Mode& mode, double scale) {
    CrossEntropyOptions options;
    options.scale = scale;
    return ops::cross_entropy(model.forward(b.rows, mode), b.targets, options);  // (1)
  };
  return std::make_shared<Subject>(base, method, std::make_unique<Roberta>(config, RobertaHead::classification),
                                   config.initializer_range, choose, loss);
}

PackedBatch random_batch(const Subject& subject, const std::vector<int64_t>& lengths, int64_t step) {
  std::vector<nn::Segment> segments;
  std::vector<int32_t> labels;
  for (size_t i = 0; i < lengths.size(); ++i) {
    nn::Segment s{{}, static_cast<int64_t>(i), {0}};
    for (int64_t p = 0; p < lengths[i]; ++p)
      s.ids.push_back(bench_token(step, static_cast<int64_t>(i), p, subject.model->config().vocab_size));
    labels.push_back(static_cast<int32_t>((i + static_cast<size_t>(step)) % 2));
    segments.push_back(std::move(s));
  }
  return pack_batch(*subject.context, segments, std::move(labels));
}

void bench(Settings settings, const BenchFlags& flags) {
  apply(flags.verb, settings);
  const RobertaConfig config = preset_config(flags.preset);
  BenchVerb verb;
  verb.preset = flags.preset;
  verb.more["shape"] = flags.lengths.empty() ? fmt::format("{} x {}", flags.batch, flags.length) : "lengths";
  verb.make = [&, lengths = batch_lengths(flags)](const std::string& method) {
    return bench_method<Roberta>(verb, make_subject(settings, method, config), [lengths](const Subject& s, int64_t i) {
      return random_batch(s, lengths[static_cast<size_t>(i) % lengths.size()], i);
    });
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
