#include "models/hub/merge.h"

#include <cmath>
#include <filesystem>
#include <map>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/ops/ops.h"
#include "models/hub/base_model.h"
#include "models/hub/hub_folder.h"
#include "models/hub/json_keys.h"
#include "models/hub/write_model.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

// W + s B A in f32.
Tensor merged_weight(Context& context, const Tensor& w, const LoraFactors& f) {
  const Tensor a = Tensor::from<float>(context, {f.rank, f.in}, f.a),
               b = Tensor::from<float>(context, {f.out, f.rank}, f.b);
  return ops::add(w, ops::scale(ops::matmul(b, a), f.scale));  // (out, in)
}

void require_finite(const Tensor& t, const std::string& name) {
  for (const float x : t.to_vector<float>())
    LL_CHECK(std::isfinite(x), "merging gives a number that is not finite in {}: nothing is written", name);
}

class Merger {
 public:
  Merger(Context& context, const WeightMap& weights, const LoadedAdapter& adapter)
      : context_(context), weights_(weights), adapter_(adapter) {
    for (const HeadTensor& h : adapter.head) head_left_[h.name] = &h;
  }

  // One file of the base as `path`; the last one takes what the base lacks of the head, too.
  void write_file(const SafetensorsFile& file, const std::string& path, bool last) {
    std::vector<TensorInfo> plan;
    for (const TensorInfo& t : file.tensors()) {
      TensorInfo planned = t;
      if (const HeadTensor* h = adapter_.find_head(weights_.canonical(t.name))) planned.shape = h->shape;
      head_left_.erase(weights_.canonical(t.name));
      plan.push_back(std::move(planned));
    }
    if (last) {
      for (const auto& [name, h] : head_left_) {
        plan.push_back({.name = name, .dtype = "F32", .shape = h->shape});
        report_.added.push_back(name);
      }
    }
    SafetensorsWriter writer(path, plan, file.metadata().empty() ? kPt : file.metadata());
    const std::vector<TensorInfo> order = writer.plan();
    for (const TensorInfo& t : order) {
      write_tensor(file, t.name, writer);
      bytes_ += t.end - t.begin;
    }
    writer.finish();
  }

  const MergeReport& report() const { return report_; }
  size_t bytes() const { return bytes_; }  // of all tensors written

 private:
  void write_tensor(const SafetensorsFile& file, const std::string& name, SafetensorsWriter& writer) {
    const std::string canonical = file.contains(name) ? weights_.canonical(name) : name;
    if (const HeadTensor* h = adapter_.find_head(canonical)) {
      const Tensor t = Tensor::from<float>(context_, h->shape, h->values);
      require_finite(t, canonical);
      writer.append(name, t);
      return;
    }
    constexpr std::string_view kSuffix = ".weight";
    const LoraFactors* f =
        canonical.ends_with(kSuffix) ? adapter_.find(canonical.substr(0, canonical.size() - kSuffix.size())) : nullptr;
    if (f == nullptr) {
      writer.append_bytes(name, file.bytes(name));
      return;
    }
    const Shape shape = file.info(name).shape;
    LL_CHECK(shape == Shape({f->out, f->in}), "{} is {}, the adapter's is ({},{})", canonical, to_string(shape), f->out,
             f->in);
    const Tensor w = Tensor::empty(context_, shape, DType::f32);
    file.read_into(name, w);
    const Tensor sum = merged_weight(context_, w, *f);
    require_finite(sum, canonical);
    writer.append(name, sum);
    ++report_.modules;
  }

  inline static const std::map<std::string, std::string> kPt{{"format", "pt"}};
  Context& context_;
  const WeightMap& weights_;
  const LoadedAdapter& adapter_;
  std::map<std::string, const HeadTensor*> head_left_;
  MergeReport report_;
  size_t bytes_ = 0;
};

// The index of a sharded folder, with the tensors that were added to `file`.
std::string index_with(const std::string& text, const std::vector<std::string>& added, const std::string& file,
                       size_t bytes) {
  nlohmann::ordered_json index = nlohmann::ordered_json::parse(text);
  for (const std::string& name : added) index["weight_map"][name] = file;
  if (index.contains("metadata")) index["metadata"]["total_size"] = bytes;
  return index.dump(2) + '\n';
}

}  // namespace

MergeReport merge_adapter(const std::string& base, const std::string& adapter_folder, const std::string& out,
                          const HubFamily& family) {
  LL_CHECK(!fs::exists(out) || (fs::is_directory(out) && fs::is_empty(out)), "{} is not empty: give another --out",
           out);
  const std::string base_folder = resolve_model_folder(base);
  const LoadedAdapter adapter = load_adapter(adapter_folder, family.rename);
  const WeightMap weights = open_weights(base_folder, family);
  check_base(adapter, base_of(weights));
  Context context;
  Merger merger(context, weights, adapter);
  AtomicDirectory folder(out);
  const fs::path into(folder.temporary());
  const std::string last = fs::path(weights.files().back()->path()).filename();
  for (const auto& file : weights.files()) {
    const std::string name = fs::path(file->path()).filename();
    merger.write_file(*file, (into / name).string(), name == last);
  }
  const int64_t missing = std::ssize(adapter.modules) - merger.report().modules;
  LL_CHECK(missing == 0, "{}: {} of its {} modules are not in {}: is it an adapter for another model?", adapter_folder,
           missing, adapter.modules.size(), base_folder);
  const std::string index = base_folder + "/model.safetensors.index.json";
  if (fs::exists(index))
    write_file_atomically((into / "model.safetensors.index.json").string(),
                          index_with(read_file(index), merger.report().added, last, merger.bytes()));
  const std::string config = base_folder + "/config.json";
  std::string text = read_file(config);
  if (family.merged_config) text = family.merged_config(text, config, adapter);
  write_file_atomically((into / "config.json").string(), text);
  copy_companion_files(base_folder, folder.temporary());
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
