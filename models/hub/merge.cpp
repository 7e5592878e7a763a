#include "models/hub/merge.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/gguf_types.h"
#include "models/gguf/gguf_model.h"
#include "models/hub/folder_faults.h"
#include "models/hub/json_keys.h"
#include "models/hub/merged_weights.h"
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

// What matrices in blocks are written as: as the configuration says that the model computes, f32 or bf16.
std::string dtype_of_blocks(const MergedWeights& merged) {
  if (is_gguf_path(merged.folder())) return "BF16";
  std::vector<std::string> unsaid;
  const auto config = nlohmann::json::parse(merged.config_json(unsaid), nullptr, false);
  for (const char* key : {"dtype", "torch_dtype"})
    if (config.is_object() && config.contains(key) && config[key] == "float32") return "F32";
  return "BF16";
}

// The files of the merged folder.
class Merger {
 public:
  explicit Merger(MergedWeights& merged)
      : merged_(merged), weights_(merged.weights()), blocks_(weights_.blocks()), as_(dtype_of_blocks(merged)) {
    for (const HeadTensor& h : merged.adapter().head) head_left_[h.name] = &h;
  }

  // One file of the base as `path`; the last one takes what the base lacks, too.
  void write_file(const TensorFile& file, const std::string& path, bool last) {
    std::vector<TensorInfo> plan;
    const auto add = [&](const std::string& name, const std::string& canonical, const std::string& dtype, Shape shape) {
      const bool narrow = block_type_of(dtype) || blocks_.count(canonical) > 0;
      if (const HeadTensor* h = merged_.whole(canonical)) shape = h->shape;
      head_left_.erase(canonical);
      if (numel_of(shape) == 0) {  // nothing reads it, and readers refuse it
        dropped_.push_back(name);
        return;
      }
      report_.widened += narrow ? 1 : 0;
      plan.push_back({.name = name, .dtype = narrow ? as_ : dtype, .shape = std::move(shape)});
    };
    for (const TensorInfo& t : file.tensors()) {
      const std::string canonical = weights_.canonical(t.name);
      if (weights_.contains(canonical))
        add(t.name, canonical, t.dtype, weights_.info(canonical).shape);
      else
        dropped_.push_back(t.name);  // scales of a matrix
    }
    if (last && !merged_.apart().empty() && !weights_.contains(merged_.apart())) {
      const TensorInfo& t = weights_.info(merged_.apart_from());
      add(in_folder(merged_.apart()), merged_.apart(), t.dtype, t.shape);
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
  const std::string& as() const { return as_; }                         // of what was in blocks
  const std::vector<std::string>& dropped() const { return dropped_; }  // tensors that are not written
  size_t bytes() const { return bytes_; }                               // of all tensors written

 private:
  // The name of a new tensor in the spelling of the folder, where that is an older one.
  std::string in_folder(const std::string& name) const {
    const std::string old = "language_model." + name;
    const bool older = weights_.info(merged_.apart_from()).name.starts_with("language_model.");
    return older && weights_.canonical(old) == name ? old : name;
  }

  // The same in a folder saved from the bare encoder, whose names have no prefix.
  std::string bare(const std::string& name) const {
    const std::string inner = name.substr(name.find('.') + 1);
    return weights_.canonical(inner) == name ? inner : name;
  }

  void write_tensor(const TensorFile& file, const TensorInfo& planned, SafetensorsWriter& writer) {
    const std::string& name = planned.name;
    const std::string canonical = weights_.canonical(name);
    const TensorInfo* there = file.find(name);
    if (there != nullptr && merged_.as_in_base(canonical) && there->dtype == planned.dtype && there->added == 0) {
      const TensorBytes bytes = file.bytes(name);
      return writer.append_bytes(name, bytes);
    }
    const Tensor w = merged_.value(canonical);
    report_.modules += merged_.adapted(canonical) && !merged_.is_another(canonical) ? 1 : 0;
    require_finite(w, planned.dtype, canonical);
    writer.append(name, w);
  }

  inline static const std::map<std::string, std::string> kPt{{"format", "pt"}};
  MergedWeights& merged_;
  const WeightMap& weights_;
  std::map<std::string, DType> blocks_;
  std::string as_;
  std::map<std::string, const HeadTensor*> head_left_;
  std::vector<std::string> dropped_;
  MergeReport report_;
  size_t bytes_ = 0;
};

// What is written is safetensors, whatever the base's file is.
std::string written_name(const std::string& path) {
  fs::path name = fs::path(path).filename();
  if (name.extension() == ".gguf") {  // also NAME-00001-of-00003.gguf
    const std::string stem = name.stem().string(), tail = stem.substr(stem.size() < 15 ? 0 : stem.size() - 15);
    return tail.starts_with("-0") && tail.substr(6, 4) == "-of-" ? "model" + tail + ".safetensors" : kWeightsFile;
  }
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

// The index of the base, or one of the parts of a GGUF file; empty: there is one file.
std::string index_of(const WeightMap& weights) {
  if (!weights.index().empty()) return read_file(weights.index());
  if (weights.files().size() == 1) return "";
  nlohmann::ordered_json index;
  index["metadata"]["total_size"] = 0;
  for (const auto& file : weights.files())
    for (const TensorInfo& t : file->tensors()) index["weight_map"][t.name] = written_name(file->path());
  return index.dump();
}

}  // namespace

MergeReport merge_adapter(const std::string& base, const std::string& adapter_folder, const std::string& out,
                          const HubFamily& family) {
  LL_CHECK(!fs::exists(out) || (fs::is_directory(out) && fs::is_empty(out)), "{} is not empty: give another --out",
           out);
  MergedWeights merged(base, adapter_folder, family);
  const WeightMap& weights = merged.weights();
  Merger merger(merged);
  if (!merged.lost().empty()) merger.report().notes.push_back(merged.lost());
  AtomicDirectory folder(out);
  const fs::path into(folder.temporary());
  const std::string last = written_name(weights.files().back()->path());
  for (const auto& file : weights.files()) {
    const std::string name = written_name(file->path());
    LL_CHECK(!fs::exists(into / name), "{} has two files that would be written as {}", merged.folder(), name);
    merger.write_file(*file, (into / name).string(), name == last);
  }
  const size_t modules = merged.adapter().modules.size();
  const int64_t missing = static_cast<int64_t>(modules) - merger.report().modules;
  LL_CHECK(missing == 0, "{}: {} of its {} modules are not in {}: is it an adapter for another model?", adapter_folder,
           missing, modules, merged.folder());
  if (const std::string index = index_of(weights); !index.empty())
    write_file_atomically((into / (std::string(kWeightsFile) + kWeightsIndex)).string(),
                          index_with(index, merger.report().added, merger.dropped(), last, merger.bytes()));
  write_file_atomically((into / "config.json").string(), merged.config_json(merger.report().notes));
  if (is_gguf_path(merged.folder()))
    copy_companion_files(merged.folder(), folder.temporary());
  else
    copy_other_files(merged.folder(), folder.temporary());
  if (merger.report().widened > 0)
    merger.report().notes.push_back(fmt::format("{} of {} tensors of the base were in blocks: they are written as {}",
                                                merger.report().widened, weights.names().size(),
                                                merger.as() == "F32" ? "f32" : "bf16"));
  if (!adapter_folder.empty())
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
