#include "models/hub/merge.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/ops/ops.h"
#include "models/hub/adapter.h"
#include "models/hub/base_model.h"
#include "models/hub/folder_faults.h"
#include "models/hub/hub_folder.h"
#include "models/hub/json_keys.h"
#include "models/hub/write_model.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

// As the number is written: f16 holds no more than 65504.
void require_finite(const Tensor& t, const std::string& dtype, const std::string& name) {
  const std::vector<float> values = t.to_vector<float>();
  for (const float x : values) {
    const bool fits = dtype == "F16"    ? std::abs(x) < 65520.0F
                      : dtype == "BF16" ? std::abs(x) < 0x1.ffp127F
                                        : std::isfinite(x);
    LL_CHECK(fits, "merging gives a number that is not finite in {}{}: nothing is written", name,
             std::isfinite(x) ? fmt::format(" ({} as {})", x, dtype) : "");
  }
}

// What the merged folder holds, tensor by tensor.
class Merger {
 public:
  Merger(Context& context, WeightMap& weights, const LoadedAdapter& adapter, const nn::Model& model)
      : context_(context), weights_(weights), adapter_(adapter), parameters_(model.parameters()) {
    for (const HeadTensor& h : adapter.head) head_left_[h.name] = &h;
    for (const nn::Linear* output : model.outputs())
      for (const nn::Embedding* table : model.tables()) take_tied(*output, *table);
  }

  // One file of the base as `path`; the last one takes what the base lacks, too.
  void write_file(const TensorFile& file, const std::string& path, bool last) {
    std::vector<TensorInfo> plan;
    const auto add = [&](const std::string& name, const std::string& canonical, std::string dtype, Shape shape) {
      if (const HeadTensor* h = value_of(canonical)) shape = h->shape;
      head_left_.erase(canonical);
      if (numel_of(shape) == 0) {  // nothing reads it, and readers refuse it
        dropped_.push_back(name);
        return;
      }
      plan.push_back({.name = name, .dtype = std::move(dtype), .shape = std::move(shape)});
    };
    for (const TensorInfo& t : file.tensors()) add(t.name, weights_.canonical(t.name), t.dtype, t.shape);
    if (last && !apart_.empty() && !weights_.contains(apart_)) {
      const TensorInfo& t = weights_.info(apart_from_);
      add(in_folder(apart_), apart_, t.dtype, t.shape);
      report_.added.push_back(plan.back().name);
    }
    if (last) {
      for (const auto& [name, h] : std::map(head_left_)) {
        add(bare(name), name, "F32", h->shape);
        report_.added.push_back(name);
      }
    }
    SafetensorsWriter writer(path, plan, file.metadata().empty() ? kPt : file.metadata());
    const std::vector<TensorInfo> order = writer.plan();
    for (const TensorInfo& t : order) {
      write_tensor(file, t, writer);
      bytes_ += t.end - t.begin;
    }
    writer.finish();
  }

  MergeReport& report() { return report_; }
  bool parted() const { return parted_; }                               // embedding and head are no longer one
  const std::vector<std::string>& dropped() const { return dropped_; }  // tensors without elements
  size_t bytes() const { return bytes_; }                               // of all tensors written

 private:
  // An output layer that is the embedding in the base, though the model may have parameters of its own for it.
  void take_tied(const nn::Linear& output, const nn::Embedding& table) {
    const std::string head = output.parts().front().module, name = head + ".weight", of = table.module() + ".weight";
    const bool one = &output.weight() == &table.weight();
    const bool missing = !weights_.contains(name) && weights_.contains(of);
    if (!one && !missing) return;
    const bool pair_parts = adapter_.tied_head.empty() && (adapter_.find(head) || adapter_.find(table.module()));
    parted_ = !one || pair_parts;
    apart_ = parted_ ? name : "";
    apart_from_ = of;
    if (!parted_) same_[name] = of;  // where the folder stores it a second time
  }

  // The name of a new tensor in the spelling of the folder, where that is an older one.
  std::string in_folder(const std::string& name) const {
    const std::string old = "language_model." + name;
    return weights_.info(apart_from_).name.starts_with("language_model.") && weights_.canonical(old) == name ? old
                                                                                                             : name;
  }

  // The same in a folder saved from the bare encoder, whose names have no prefix.
  std::string bare(const std::string& name) const {
    const std::string inner = name.substr(name.find('.') + 1);
    return weights_.canonical(inner) == name ? inner : name;
  }

  const HeadTensor* value_of(const std::string& canonical) const {
    const auto same = same_.find(canonical);
    const std::string& name = same == same_.end() ? canonical : same->second;
    if (const HeadTensor* h = adapter_.find_head(name)) return h;
    const HeadTensor* shared = nullptr;  // the weight of embedding and head, before the pair that parts them
    for (const HeadTensor& t : adapter_.stored) {
      if (t.name == name) return &t;
      if (name == apart_ && t.name == apart_from_) shared = &t;
    }
    return shared;
  }

  // w with the rows of trainable_token_indices in it: w itself may lie in the file.
  Tensor with_tokens(const std::string& canonical, Tensor w) const {
    const HeadTensor* t = tokens_of(canonical);
    if (t == nullptr) return w;
    w = w.clone();
    const std::vector<int64_t>& ids = *adapter_.config.tokens_of(t->name.substr(0, t->name.rfind('.')));
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto begin = t->values.begin() + static_cast<int64_t>(i) * t->shape[1];
      w.slice_rows(ids[i], ids[i] + 1).assign(std::vector<float>(begin, begin + t->shape[1]));
    }
    return w;
  }

  const HeadTensor* tokens_of(const std::string& canonical) const {
    const auto same = same_.find(canonical);
    const std::string& name = same == same_.end() ? canonical : same->second;
    const auto it = std::find_if(adapter_.tokens.begin(), adapter_.tokens.end(),
                                 [&](const HeadTensor& t) { return t.name == name; });
    return it == adapter_.tokens.end() ? nullptr : &*it;
  }

  const LoraFactors* factors_of(const std::string& canonical) const {
    const auto same = same_.find(canonical);
    const std::string& name = same == same_.end() ? canonical : same->second;
    constexpr std::string_view kSuffix = ".weight";
    return name.ends_with(kSuffix) ? adapter_.find(name.substr(0, name.size() - kSuffix.size())) : nullptr;
  }

  // W in f32: what the adapter says of it, or the base's.
  Tensor before(const std::string& canonical) {
    if (const HeadTensor* h = value_of(canonical)) return Tensor::from<float>(context_, h->shape, h->values);
    return weights_.load(context_, weights_.contains(canonical) ? canonical : apart_from_, DType::f32);
  }

  void write_tensor(const TensorFile& file, const TensorInfo& planned, SafetensorsWriter& writer) {
    const std::string& name = planned.name;
    const bool in_file = file.contains(name);
    const std::string canonical = weights_.canonical(name);
    const LoraFactors* f = factors_of(canonical);
    if (f == nullptr && value_of(canonical) == nullptr && tokens_of(canonical) == nullptr && in_file) {
      const TensorBytes bytes = file.bytes(name);
      return writer.append_bytes(name, bytes);
    }
    Tensor w = with_tokens(canonical, before(canonical));
    if (f != nullptr) {
      const Tensor a = Tensor::from<float>(context_, {f->rank, f->in}, f->a),
                   b = Tensor::from<float>(context_, {f->out, f->rank}, f->b);
      const bool turned = parameters_.input_first(canonical);
      const Tensor product = turned ? ops::matmul(a, b, true, true) : ops::matmul(b, a);  // (in, out) or (out, in)
      w = ops::add(w, ops::scale(product, f->scale));
      report_.modules += same_.count(canonical) == 0 ? 1 : 0;
    }
    require_finite(w, planned.dtype, canonical);
    writer.append(name, w);
  }

  inline static const std::map<std::string, std::string> kPt{{"format", "pt"}};
  Context& context_;
  WeightMap& weights_;
  const LoadedAdapter& adapter_;
  const nn::ParameterSet& parameters_;  // of the model without memory
  std::map<std::string, const HeadTensor*> head_left_;
  std::map<std::string, std::string> same_;  // a tensor that is another one
  std::string apart_, apart_from_;           // the head that is the embedding no longer, and the embedding
  bool parted_ = false;
  std::vector<std::string> dropped_;
  MergeReport report_;
  size_t bytes_ = 0;
};

// What is written is safetensors, whatever the base's file is.
std::string written_name(const std::string& path) {
  fs::path name = fs::path(path).filename();
  if (name.extension() != ".bin") return name.string();
  std::string stem = name.stem().string();
  if (stem.starts_with("pytorch_")) stem.erase(0, std::string_view("pytorch_").size());
  return stem + ".safetensors";
}

// The index of a sharded folder, with the tensors that were added to `file` and without those that were dropped.
std::string index_with(const std::string& text, const std::vector<std::string>& added,
                       const std::vector<std::string>& dropped, const std::string& file, size_t bytes) {
  nlohmann::ordered_json index = nlohmann::ordered_json::parse(text);
  for (auto& [name, in] : index["weight_map"].items()) in = written_name(in.get<std::string>());
  for (const std::string& name : added) index["weight_map"][name] = file;
  for (const std::string& name : dropped) index["weight_map"].erase(name);
  if (index.contains("metadata")) index["metadata"]["total_size"] = bytes;
  return index.dump(2) + '\n';
}

// config.json with a vocabulary of `rows` (0: as it was) and, where `parted`, a head of its own; other keys stay.
std::string vocabulary_config(const std::string& text, const std::string& file, int64_t rows, bool parted) {
  nlohmann::ordered_json j = JsonKeys(text, file).root();
  nlohmann::ordered_json& decoder = j.contains("text_config") ? j["text_config"] : j;
  if (rows > 0) decoder["vocab_size"] = rows;
  if (rows > 0 && &decoder != &j && j.contains("vocab_size")) j["vocab_size"] = rows;
  if (parted) j["tie_word_embeddings"] = decoder["tie_word_embeddings"] = false;
  return j.dump(2) + '\n';
}

// The rows of the embedding, where they are not those of the folder; else 0.
int64_t changed_vocabulary(const nn::Model& model, const WeightMap& weights) {
  for (const nn::Embedding* table : model.tables()) {
    const int64_t rows = table->weight().shape[0];
    const std::string name = table->module() + ".weight";
    if (is_vocabulary_module(table->module()) && weights.contains(name) && weights.info(name).shape.at(0) != rows)
      return rows;
  }
  return 0;
}

std::string merged_config(const HubFamily& family, const std::string& config, const LoadedAdapter& adapter,
                          int64_t rows, Merger& merger) {
  std::string text = read_file(config);
  if (family.merged_config) text = family.merged_config(text, config, adapter);
  if (rows == 0 && !merger.parted()) return text;
  std::vector<std::string>& notes = merger.report().notes;
  if (rows > 0) notes.push_back(fmt::format("config.json: vocab_size {}", rows));
  if (merger.parted())
    notes.emplace_back("config.json: tie_word_embeddings false: the head is no longer the embedding");
  return vocabulary_config(text, config, rows, merger.parted());
}

}  // namespace

MergeReport merge_adapter(const std::string& base, const std::string& adapter_folder, const std::string& out,
                          const HubFamily& family) {
  LL_CHECK(!fs::exists(out) || (fs::is_directory(out) && fs::is_empty(out)), "{} is not empty: give another --out",
           out);
  const std::string base_folder = resolve_model_folder(base);
  LoadedAdapter adapter = load_adapter(adapter_folder, family.rename);
  WeightMap weights = open_weights(base_folder, family);
  check_base(adapter, base_of(weights));
  LL_CHECK(weights.blocks().empty(), "{} is quantised by bitsandbytes: merge into the model that it was made of",
           base_folder);
  const std::unique_ptr<nn::Model> model = family.outline(base_folder, adapter);
  attach_adapter(*model, settings_of(adapter), family, &adapter);
  check_adapter(*model, adapter);
  Context context;
  Merger merger(context, weights, adapter, *model);
  if (const std::string lost = unmatched_targets(*model, adapter); !lost.empty()) merger.report().notes.push_back(lost);
  AtomicDirectory folder(out);
  const fs::path into(folder.temporary());
  const std::string last = written_name(weights.files().back()->path());
  for (const auto& file : weights.files()) {
    const std::string name = written_name(file->path());
    LL_CHECK(!fs::exists(into / name), "{} has two files that would be written as {}", base_folder, name);
    merger.write_file(*file, (into / name).string(), name == last);
  }
  const int64_t missing = std::ssize(adapter.modules) - merger.report().modules;
  LL_CHECK(missing == 0, "{}: {} of its {} modules are not in {}: is it an adapter for another model?", adapter_folder,
           missing, adapter.modules.size(), base_folder);
  if (!weights.index().empty())
    write_file_atomically(
        (into / (std::string(kWeightsFile) + kWeightsIndex)).string(),
        index_with(read_file(weights.index()), merger.report().added, merger.dropped(), last, merger.bytes()));
  write_file_atomically((into / "config.json").string(), merged_config(family, base_folder + "/config.json", adapter,
                                                                       changed_vocabulary(*model, weights), merger));
  copy_other_files(base_folder, folder.temporary());
  copy_tokenizer_files(adapter_folder, folder.temporary());  // what it was trained with takes the place of the base's
  folder.commit();
  return merger.report();
}

std::string classifier_config(const std::string& config_json, const std::string& file, const LoadedAdapter& adapter,
                              const std::string& architecture) {
  const HeadTensor* classes = adapter.find_classes();
  if (classes == nullptr) return config_json;
  const AdapterCard card = adapter.card.value_or(AdapterCard{});
  // A regression's card has no labels.
  const bool named = std::ssize(card.labels) == classes->shape[0];
  const std::vector<std::string> labels = named ? card.labels : unnamed_labels(classes->shape[0]);
  nlohmann::ordered_json j = JsonKeys(config_json, file).root();
  j.erase("num_labels");
  j["architectures"] = {architecture};
  j["id2label"] = j["label2id"] = nlohmann::ordered_json::object();
  for (size_t i = 0; i < labels.size(); ++i) {
    j["id2label"][std::to_string(i)] = labels[i];
    j["label2id"][labels[i]] = i;
  }
  if (!card.problem_type.empty()) j["problem_type"] = card.problem_type;
  return j.dump(2) + '\n';
}

}  // namespace lowland
