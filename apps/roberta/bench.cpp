#include <cstdio>
#include <fstream>
#include <memory>

#include "apps/bench/bench.h"
#include "apps/bench/bench_step.h"
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
  std::string preset = "roberta-base", methods = "lora,eflat-lora", lengths;
  int64_t batch = 8, length = 128, steps = 30, warmup = 10;
  bool json = false, by_op = false, isolate = false;
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
    model->materialise(*context, DType::f32);
    model->parameters().initialise(1, config.initializer_range, [](const std::string&) { return true; });
    model->initialise_adapters(1);
    method = optim::make_method(name, model->arena(), method_options(settings));
  }

  int64_t step(int64_t index) {
    const std::vector<int64_t>& batch = lengths[static_cast<size_t>(index) % lengths.size()];
    const uint64_t vocab = static_cast<uint64_t>(model->config().vocab_size);
    std::vector<nn::Segment> segments;
    std::vector<int32_t> labels;
    int64_t tokens = 0;
    for (size_t i = 0; i < batch.size(); ++i) {
      nn::Segment s{{}, static_cast<int64_t>(i), {0}};
      for (int64_t p = 0; p < batch[i]; ++p)
        s.ids.push_back(static_cast<int32_t>(mix64(static_cast<uint64_t>(index * 1000003 + p) ^ (i << 40)) % vocab));
      tokens += batch[i];
      labels.push_back(static_cast<int32_t>((i + static_cast<size_t>(index)) % 2));
      segments.push_back(std::move(s));
    }
    const nn::Rows rows = nn::pack(*context, segments);
    const Tensor targets = Tensor::from<int32_t>(*context, {rows.S}, labels);
    const auto loss = [&](const nn::Mode& mode) {
      CrossEntropyOptions options;
      options.scale = 1.0 / static_cast<double>(rows.S);
      return ops::cross_entropy(model->forward(rows, mode), targets, options);
    };
    bench_step(*model, *method, settings, loss, index);
    return tokens;
  }
};

std::string memory_line(const std::vector<std::unique_ptr<Subject>>& subjects) {
  size_t held = 0, peaks = 0;
  for (const auto& s : subjects) {
    held += s->context->memory().reserved_bytes();
    peaks += s->context->memory().peak_bytes();
  }
  const size_t process = process_peak_bytes();
  return fmt::format("memory: tensors {} at peak, {} with the gaps between them; the process {} (the rest: program, "
                     "libraries and their buffers)",
                     bytes_text(peaks), bytes_text(held), bytes_text(process));
}

void bench(const Settings& settings, const BenchFlags& flags) {
  const RobertaConfig config = preset_config(flags.preset);
  const std::vector<std::string> methods = split_list(flags.methods);
  LL_CHECK(!methods.empty(), "--methods is empty");
  std::vector<std::unique_ptr<Subject>> subjects;
  std::vector<BenchSubject> timed;
  for (const std::string& m : methods) {
    subjects.push_back(std::make_unique<Subject>(settings, m, config, batch_lengths(flags)));
    Subject* s = subjects.back().get();
    timed.push_back({m, s->context.get(), [s](int64_t step) { return s->step(step); }});
  }
  BenchOptions options;
  options.warmup = flags.warmup;
  options.steps = flags.steps;
  options.budget_s = 300;
  options.by_op = flags.by_op;
  const std::vector<BenchResult> results = run_bench(timed, options);
  if (flags.json) {
    for (const BenchResult& r : results) {
      nlohmann::ordered_json o = to_json(r, results.front());
      o["preset"] = flags.preset;
      o["device"] = "cpu";
      o["dtype"] = "f32";
      o["threads"] = subjects.front()->context->threads();
      o["process_peak_bytes"] = process_peak_bytes();
      std::printf("%s\n", o.dump().c_str());
    }
  } else {
    std::printf("%s, %lld threads, f32\n%s", flags.preset.c_str(),
                static_cast<long long>(subjects.front()->context->threads()), to_table(results).c_str());
    if (flags.by_op)
      for (const BenchResult& r : results) std::printf("\n%s", by_op_table(r).c_str());
    std::printf("%s\n", memory_line(subjects).c_str());
  }
}

}  // namespace

void add_bench(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* verb =
      app.add_subcommand("bench", "Time training steps of several methods side by side, on random weights");
  const OptionBinder bind{*verb};
  bind("preset", flags->preset, "roberta-base or roberta-large");
  bind("methods", flags->methods, "Comma list: lora, eflat-lora, flat-lora, lora-sam, full");
  bind("batch,batch-size", flags->batch, "Sequences per step");
  bind("length,max-length,max-seq-length", flags->length, "Tokens per sequence");
  bind("lengths", flags->lengths, "JSON file with a list of batches, each a list of lengths, instead");
  bind("steps", flags->steps, "Timed steps");
  bind("warmup", flags->warmup, "Steps before them");
  bind("json", flags->json, "One JSON object per method");
  bind("by-op", flags->by_op, "Time by op as well");
  bind("recompute", settings->recompute, "none or block");
  visit_lora(*settings, bind);
  visit_system(*settings, bind);
  verb->callback([settings, flags] { bench(*settings, *flags); });
}

}  // namespace lowland::apps
