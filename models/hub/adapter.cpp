#include "models/hub/adapter.h"

#include <algorithm>
#include <optional>

#include "engine/error.h"
#include "models/hub/initial_pairs.h"

namespace lowland {
namespace {

std::vector<float> host_values(const Tensor& t) { return t.to(DType::f32).to_vector<float>(); }

void put(const Tensor& into, const std::vector<float>& values) {
  into.copy_from(Tensor::from<float>(into.context(), into.shape(), values));
}

// Named rows of the model as files hold them.
HeadTensor as_filed(const nn::Parameter& p, const nn::NamedRows& r) {
  const Tensor t = p.stored(r.begin, r.end);
  HeadTensor out{.name = r.name, .shape = t.shape(), .values = host_values(t)};
  if (!p.input_first) return out;
  out.values = transposed(out.values, t.dim(0), t.dim(1));
  std::swap(out.shape[0], out.shape[1]);
  return out;
}

void put_filed(const nn::Model& model, const HeadTensor& t) {
  const Tensor into = model.parameters().find(t.name);
  put(into, model.parameters().input_first(t.name) ? transposed(t.values, t.shape[0], t.shape[1]) : t.values);
}

// modules_to_save: the family's as it names them, then the paths of all others that are trained in full.
std::vector<std::string> modules_to_save(const nn::Model& model, const HubFamily& family) {
  std::vector<std::string> out = family.whole;
  for (const auto& p : model.parameters().all()) {
    if (!p->trainable || p->in_part) continue;
    for (const nn::NamedRows& r : p->rows) {
      const std::string module = r.name.substr(0, r.name.rfind('.'));
      if (!is_within(module, family.whole) && std::find(out.begin(), out.end(), module) == out.end())
        out.push_back(module);
    }
  }
  return out;
}

AdapterConfig peft_config(const nn::Model& model, const AdapterSettings& settings, const HubFamily& family) {
  AdapterConfig config;
  config.r = settings.rank;
  config.lora_alpha = settings.alpha;
  config.lora_dropout = settings.dropout;
  config.use_rslora = settings.rslora;
  config.use_dora = settings.dora;
  config.take_patterns(settings.rank_pattern, settings.alpha_pattern);
  config.bias = settings.bias;
  config.token_indices = settings.token_indices;
  config.target_modules = lora_targets(settings, family);
  config.layers_to_transform = layer_numbers(settings);
  config.ensure_weight_tying = settings.ensure_weight_tying;
  config.modules_to_save = modules_to_save(model, family);
  const auto& all = model.parameters().all();
  config.fan_in_fan_out = std::any_of(all.begin(), all.end(), [](const auto& p) { return p->input_first; });
  config.task_type = family.task_type;
  config.base_model_class = family.base_model_class;
  config.parent_library = family.parent_library;
  return config;
}

// The output layer that reads a table's pair or, trained whole, its weight; null: none.
const nn::Linear* tied_output(const nn::Model& model, const nn::Embedding& table) {
  for (const nn::Linear* output : model.outputs())
    if (&output->weight() == &table.weight()) return output;
  return nullptr;
}

// As peft writes the targets of tied modules: the embedding has the pair, and the output layer is not named.
void name_tied_targets(ModuleTargets& targets, const std::string& table, const std::string& head) {
  if (!targets.expression.empty()) {
    std::string path;
    for (const char c : table) path += c == '.' ? "\\." : std::string(1, c);
    if (!matches_target(table, targets)) targets.expression = fmt::format("(?:{}|^{}$)", targets.expression, path);
    return;
  }
  std::erase_if(targets.names, [&](const std::string& name) { return matches_name(head, name); });
  if (!matches_target(table, targets)) targets.names.push_back(table);
}

// A config of other settings than the pairs were attached with would be saved in silence, and mean another model.
void check_settings(const nn::Model& model, const AdapterConfig& config, const std::string& tied_head) {
  for (const LinearModule& m : linear_modules(model, true)) {
    const auto& pairs = model.adapters();
    const auto a = std::find_if(pairs.begin(), pairs.end(), [&](const auto& pair) { return pair.module == m.name; });
    const bool adapted = a != pairs.end();
    LL_CHECK(
        m.name == tied_head || (adapted == config.targets(m.name, m.kind) &&
                                (!adapted || (a->r == config.rank_of(m.name) && a->scale == config.scale_of(m.name) &&
                                              a->magnitude.empty() == !config.use_dora))),
        "the adapter cannot be collected: {} was attached with other settings or another family", m.name);
  }
}

// Shape of a tensor of the model by its name, as files hold it; nothing where it has none.
std::optional<Shape> shape_of(const nn::Model& model, const std::string& name) {
  for (const auto& p : model.parameters().all())
    for (const nn::NamedRows& r : p->rows) {
      if (r.name != name) continue;
      Shape shape = p->shape;
      shape[0] = r.end - r.begin;
      if (p->input_first) std::swap(shape[0], shape[1]);
      return shape;
    }
  return std::nullopt;
}

void check_tensors(const nn::Model& model, const LoadedAdapter& adapter, const std::vector<HeadTensor>& tensors) {
  for (const HeadTensor& h : tensors) {
    const std::optional<Shape> shape = shape_of(model, h.name);
    LL_CHECK(shape, "{}: the model has no tensor {}", adapter.folder, h.name);
    LL_CHECK(*shape == h.shape, "{}: {} has shape {}, the model's is {}", adapter.folder, h.name, to_string(h.shape),
             to_string(*shape));
  }
}

// Rows of tables. An output layer that is the embedding has no weight of its own to look for.
void check_tokens(const nn::Model& model, const LoadedAdapter& adapter) {
  for (const HeadTensor& t : adapter.tokens) {
    const std::optional<Shape> shape = shape_of(model, t.name);
    LL_CHECK(shape, "{}: the model has no tensor {}", adapter.folder, t.name);
    for (const int64_t id : *adapter.config.tokens_of(t.name.substr(0, t.name.rfind('.'))))
      LL_CHECK(shape->size() == 2 && (*shape)[1] == t.shape[1] && id < (*shape)[0],
               "{}: row {} of width {} does not fit into {}, which is {}: has its vocabulary grown?", adapter.folder,
               id, t.shape[1], t.name, to_string(*shape));
  }
}

void put_tokens(const nn::Model& model, const LoadedAdapter& adapter) {
  for (const HeadTensor& t : adapter.tokens) {
    const Tensor table = model.parameters().find(t.name);
    const std::vector<int64_t>& ids = *adapter.config.tokens_of(t.name.substr(0, t.name.rfind('.')));
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto begin = t.values.begin() + static_cast<int64_t>(i) * t.shape[1];
      put(table.slice_rows(ids[i], ids[i] + 1), {begin, begin + t.shape[1]});
    }
  }
}

// Trained rows in the order in which the config names them.
HeadTensor rows_of_tokens(const nn::Parameter& p, const AdapterConfig& config) {
  const std::vector<int64_t>& ids = *config.tokens_of(p.name.substr(0, p.name.rfind('.')));
  HeadTensor out{.name = p.name, .shape = {std::ssize(ids), p.shape[1]}, .values = {}};
  for (const int64_t id : ids)
    for (const float x : host_values(p.master.slice_rows(id, id + 1))) out.values.push_back(x);
  return out;
}

// All trained biases, or, as files of older versions of peft, none.
void check_biases(const nn::Model& model, const LoadedAdapter& adapter) {
  std::vector<HeadTensor> there;
  std::string missing;
  for (const HeadTensor& h : adapter.head)
    if (!adapter.config.saves_whole(h.name)) there.push_back({h.name, h.shape, {}});
  check_tensors(model, adapter, there);
  for (const auto& p : model.parameters().all())
    for (const nn::NamedRows& r : p->rows)
      if (p->in_part && p->trains(r) && r.name.ends_with(".bias") && adapter.find_head(r.name) == nullptr)
        missing = r.name;
  LL_CHECK(there.empty() || missing.empty(), "{} has no tensor {}, which bias {} asks for", adapter.folder, missing,
           adapter.config.bias);
}

// A value of the base that the adapter's file brings; equal to the checkpoint's, it changes nothing.
void put_stored(nn::Model& model, const HeadTensor& t) {
  const Tensor into = model.parameters().find(t.name);
  if (host_values(into) == t.values) return;
  put(into, t.values);
  for (const auto& p : model.parameters().all())
    for (const nn::NamedRows& r : p->rows) p->replaced = p->replaced || r.name == t.name;
}

}  // namespace

AdapterSettings settings_of(const LoadedAdapter& adapter) {
  const AdapterConfig& config = adapter.config;
  const bool own_head_pair = std::any_of(adapter.modules.begin(), adapter.modules.end(), [](const LoraFactors& f) {
    return !f.table && is_vocabulary_module(f.module);
  });
  AdapterSettings s{.rank = config.r,
                    .alpha = config.lora_alpha,
                    .dropout = config.lora_dropout,
                    .rslora = config.use_rslora,
                    .dora = config.use_dora,
                    .rank_pattern = config.rank_pattern_text(),
                    .alpha_pattern = config.alpha_pattern_text(),
                    .token_indices = config.token_indices,
                    .targets_as_is = true,
                    .ensure_weight_tying = config.ensure_weight_tying && !own_head_pair,
                    .bias = config.bias};
  const ModuleTargets& t = config.target_modules;
  const bool by_pattern = !config.layers_to_transform.empty() && !config.layers_pattern.empty();
  if (!config.exclude_modules.empty() || by_pattern) {
    for (const LoraFactors& f : adapter.modules) s.targets += (s.targets.empty() ? "" : ",") + f.module;
    return s;
  }
  s.layers = fmt::format("{}", fmt::join(config.layers_to_transform, ","));
  if (t.all_linear) {
    s.targets = "all-linear";
  } else if (!t.expression.empty()) {
    s.targets = t.expression;
  } else {
    s.targets = fmt::format("{}", fmt::join(t.names, ","));
  }
  return s;
}

std::vector<LinearModule> linear_modules(const nn::Model& model, bool all) {
  std::vector<LinearModule> out;
  const auto is_output = [&](const nn::Linear* linear) {
    return std::find(model.outputs().begin(), model.outputs().end(), linear) != model.outputs().end();
  };
  const auto add = [&](const nn::Linear* linear, ModuleKind kind) {
    for (const nn::Linear::Part& part : linear->parts()) out.push_back({part.module, linear->in(), part.rows, kind});
  };
  for (const nn::Linear* linear : model.linears())
    if (!is_output(linear)) add(linear, ModuleKind::linear);
  if (!all) return out;
  for (const nn::Linear* output : model.outputs()) add(output, ModuleKind::output);
  for (const nn::Embedding* t : model.tables())
    out.push_back({t->module(), t->weight().shape[1], t->weight().shape[0], ModuleKind::table});
  return out;
}

void check_adapter(const nn::Model& model, const LoadedAdapter& adapter, bool with_head) {
  check_adapter_fits(adapter, linear_modules(model, true));
  for (const nn::AdapterSpec& a : model.adapters()) {
    const LoraFactors* f = adapter.find(a.module);
    LL_CHECK(f != nullptr, "{}: no adapter for {}", adapter.folder, a.module);
    LL_CHECK(f->rank == a.r, "{}: {} has rank {}, not {}", adapter.folder, a.module, f->rank, a.r);
  }
  check_tensors(model, adapter, adapter.stored);
  check_biases(model, adapter);
  check_tokens(model, adapter);
  if (!with_head) return;
  check_tensors(model, adapter, adapter.head);
  for (const auto& p : model.parameters().all())
    for (const nn::NamedRows& r : p->rows)
      LL_CHECK(!p->trainable || !adapter.config.saves_whole(r.name) || adapter.find_head(r.name) != nullptr,
               "{} has no tensor {}, which its modules_to_save or task head asks for", adapter.folder, r.name);
  for (const std::string& module : adapter.config.modules_to_save)
    LL_CHECK(
        !is_vocabulary_module(module) ||
            std::any_of(adapter.head.begin(), adapter.head.end(),
                        [&](const HeadTensor& h) { return (h.name + ".").find(module + ".") != std::string::npos; }),
        "{} has no tensor of {}, which its modules_to_save names", adapter.folder, module);
}

void fill_adapter(nn::Model& model, const LoadedAdapter& adapter, bool with_head) {
  check_adapter(model, adapter, with_head);
  for (const nn::AdapterSpec& a : model.adapters()) {
    const LoraFactors* f = adapter.find(a.module);
    put(model.arena().master(a.a), f->a);
    put(model.arena().master(a.b), f->b);
    if (!a.magnitude.empty()) put(model.arena().master(a.magnitude), f->magnitude);
  }
  for (const HeadTensor& t : adapter.stored) put_stored(model, t);
  put_tokens(model, adapter);
  for (const HeadTensor& h : adapter.head)
    if (with_head || !adapter.config.saves_whole(h.name)) put_filed(model, h);
}

LoadedAdapter collect_adapter(const nn::Model& model, const AdapterSettings& settings, const HubFamily& family,
                              const BaseModel& base, const std::vector<LoraFactors>& initial) {
  const nn::Arena& arena = model.arena();
  arena.require_centre("saving the adapter");
  LoadedAdapter out;
  out.config = peft_config(model, settings, family);
  for (const nn::Embedding* table : model.tables()) {
    const nn::Linear* output = settings.ensure_weight_tying ? tied_output(model, *table) : nullptr;
    if (output == nullptr) continue;
    const std::string& head = output->parts().front().module;
    if (output->adapted()) {
      name_tied_targets(out.config.target_modules, table->module(), head);
      out.tied_head = head;
    } else if (table->weight().trainable) {  // peft looks for it under both names
      const Tensor& t = table->weight().master;
      out.stored.push_back({.name = head + ".weight", .shape = t.shape(), .values = host_values(t)});
    }
  }
  check_settings(model, out.config, out.tied_head);
  out.config.base_model_name_or_path = base.name;
  out.card.emplace().base_fingerprint = base.fingerprint;
  for (const nn::AdapterSpec& a : model.adapters())
    out.modules.push_back(
        {.module = a.module,
         .rank = a.r,
         .in = a.m,
         .out = a.n,
         .scale = a.scale,
         .a = host_values(arena.master(a.a)),
         .b = host_values(arena.master(a.b)),
         .magnitude = a.magnitude.empty() ? std::vector<float>() : host_values(arena.master(a.magnitude)),
         .table = model.is_table(a.module)});
  for (const auto& p : model.parameters().all()) {
    if (!p->trainable && !p->replaced) continue;
    const bool in_rows = p->in_part && p->shape.size() == 2;
    if (p->replaced && is_vocabulary_module(p->name.substr(0, p->name.rfind('.')))) out.card->vocabulary = p->shape[0];
    if (in_rows) out.tokens.push_back(rows_of_tokens(*p, out.config));
    if (in_rows && !p->replaced) continue;
    for (const nn::NamedRows& r : p->rows) {
      if (p->trainable && !p->trains(r)) continue;
      (p->trainable && !in_rows ? out.head : out.stored).push_back(as_filed(*p, r));
    }
  }
  if (!initial.empty()) fit_to_whole_base(out, initial);
  out.sort();
  return family.written ? renamed(std::move(out), family.written) : out;
}

}  // namespace lowland
