#include "apps/common/merge.h"

#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/common/progress.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/ops/ops.h"
#include "models/hub/hub_folder.h"

namespace lowland::apps {
namespace fs = std::filesystem;
namespace {

bool ends_with(const std::string& s, const std::string& end) {
  return s.size() >= end.size() && s.compare(s.size() - end.size(), end.size(), end) == 0;
}

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

  // One file of the base as `path`; the last one also takes head tensors that the base lacks.
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
        plan.push_back({name, "F32", h->shape, 0, 0});
        added_.push_back(name);
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

  int64_t merged() const { return merged_; }
  const std::vector<std::string>& added() const { return added_; }
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
    const std::string suffix = ".weight";
    const LoraFactors* f =
        ends_with(canonical, suffix) ? adapter_.find(canonical.substr(0, canonical.size() - suffix.size())) : nullptr;
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
    ++merged_;
  }

  inline static const std::map<std::string, std::string> kPt{{"format", "pt"}};
  Context& context_;
  const WeightMap& weights_;
  const LoadedAdapter& adapter_;
  std::map<std::string, const HeadTensor*> head_left_;
  std::vector<std::string> added_;
  int64_t merged_ = 0;
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

void merge_adapter(const std::string& model, const std::string& adapter_folder, const std::string& out,
                   const MergeFamily& family) {
  LL_CHECK(!model.empty() && !adapter_folder.empty() && !out.empty(), "merge needs --model, --adapter and --out");
  LL_CHECK(!fs::exists(out) || (fs::is_directory(out) && fs::is_empty(out)), "{} is not empty: give another --out",
           out);
  const std::string base = resolve_model_folder(model);
  const LoadedAdapter adapter = load_adapter(adapter_folder, family.rename);
  const AdapterCard card = read_adapter_card(adapter_folder).value_or(AdapterCard{});
  const WeightMap weights = family.rename ? WeightMap(base, family.rename) : WeightMap(base, family.base_prefix);
  check_base(card, fingerprint(weights), adapter_folder, base);
  Context context;
  Merger merger(context, weights, adapter);
  AtomicDirectory folder(out);
  const fs::path into(folder.temporary());
  for (size_t i = 0; i < weights.files().size(); ++i) {
    const SafetensorsFile& file = *weights.files()[i];
    merger.write_file(file, (into / fs::path(file.path()).filename()).string(), i + 1 == weights.files().size());
  }
  LL_CHECK(merger.merged() == static_cast<int64_t>(adapter.modules.size()),
           "{}: {} of its {} modules are not in {}: is it an adapter for another model?", adapter_folder,
           static_cast<int64_t>(adapter.modules.size()) - merger.merged(), adapter.modules.size(), base);
  const std::string index = base + "/model.safetensors.index.json";
  if (fs::exists(index))
    write_file_atomically((into / "model.safetensors.index.json").string(),
                          index_with(read_file(index), merger.added(),
                                     fs::path(weights.files().back()->path()).filename(), merger.bytes()));
  const std::string config = base + "/config.json", text = read_file(config);
  write_file_atomically((into / "config.json").string(), family.config(text, config, card, adapter));
  copy_companion_files(base, folder.temporary());
  folder.commit();
  say(fmt::format("merged {} modules into {}", merger.merged(), out));
}

void add_merge(CLI::App& app, const MergeFamily& family) {
  auto model = std::make_shared<std::string>(), adapter = std::make_shared<std::string>(),
       out = std::make_shared<std::string>();
  CLI::App* verb = app.add_subcommand("merge", "Add an adapter to its base: a folder for transformers and others");
  verb->add_option("--model", *model, "Base checkpoint")->required();
  verb->add_option("--adapter", *adapter, "PEFT adapter folder")->required();
  verb->add_option("--out,--output-dir", *out, "Folder to write")->required();
  verb->callback([=] { merge_adapter(*model, *adapter, *out, family); });
}

}  // namespace lowland::apps
