#include "models/hub/weight_map.h"

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "kernels/common/blocks.h"
#include "models/gguf/gguf_model.h"
#include "models/hub/folder_faults.h"
#include "models/hub/hub_folder.h"
#include "models/hub/peft_adapter.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

std::string without_old_names(std::string name) {
  for (const auto& [old, now] : {std::pair<std::string, std::string>{"LayerNorm.gamma", "LayerNorm.weight"},
                                 {"LayerNorm.beta", "LayerNorm.bias"}}) {
    if (name.ends_with(old)) name.replace(name.size() - old.size(), old.size(), now);
  }
  return name;
}

// Heads sit beside the encoder, not in it.
bool is_head(const std::string& name) {
  return name.starts_with("lm_head.") || name.starts_with("classifier.") || name.starts_with("score.") ||
         name.starts_with("cls.") || name.starts_with("pre_classifier.") || name.starts_with("vocab_");
}

}  // namespace

bool is_ignorable_weight(const std::string& name) {
  return name.starts_with("lm_head.") || name.starts_with("cls.") || name.starts_with("vocab_") ||
         name.starts_with("pooler.") || name.find(".pooler.") != std::string::npos || name.ends_with("position_ids") ||
         name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
}

WeightMap::WeightMap(const std::string& folder, const std::string& base_prefix, Rename rename)
    : folder_(folder), rename_(std::move(rename)) {
  open_files();
  const auto has_prefix = [&](const TensorInfo& t) { return t.name.starts_with(base_prefix + "."); };
  if (!base_prefix.empty() && std::none_of(files_.begin(), files_.end(), [&](const auto& file) {
        return std::any_of(file->tensors().begin(), file->tensors().end(), has_prefix);
      })) {
    prefix_ = base_prefix + ".";
  }
  for (size_t i = 0; i < files_.size(); ++i) {
    for (const TensorInfo& t : files_[i]->tensors()) {
      const auto [at, fresh] = entries_.insert({canonical(t.name), {i, t.name}});
      LL_CHECK(fresh, "{} has tensor `{}` twice, in {} and in {}", folder_, at->first, files_[at->second.file]->path(),
               files_[i]->path());
    }
  }
  join_quantised();
}

void WeightMap::join_quantised() {
  const auto find = [this](const std::string& name, std::string& in_file) -> const TensorFile* {
    const auto it = entries_.find(name);
    if (it == entries_.end()) return nullptr;
    in_file = it->second.name;
    return files_[it->second.file].get();
  };
  std::vector<std::string> parts;
  for (auto& [name, entry] : entries_) {
    const std::optional<BnbMatrix> matrix = BnbMatrix::of(name, find);
    if (!matrix) continue;
    entry.matrix = std::make_shared<const BnbMatrix>(*matrix);
    parts.insert(parts.end(), matrix->parts().begin(), matrix->parts().end());
  }
  for (const std::string& part : parts) entries_.erase(part);
}

std::map<std::string, DType> WeightMap::blocks() const {
  std::map<std::string, DType> types;
  for (const auto& [name, e] : entries_) {
    const DType type = e.matrix ? e.matrix->type() : block_type_named(info(name).dtype);
    if (is_blocks(type)) types[name] = type;
  }
  return types;
}

// transformers' order.
void WeightMap::open_files() {
  if (is_gguf_path(folder_)) {
    for (auto& file : open_gguf_model(folder_)) files_.push_back(std::move(file));
    return;
  }
  const fs::path base(folder_);
  for (const char* name : {kWeightsFile, kTorchWeightsFile}) {
    const fs::path index = base / (std::string(name) + kWeightsIndex);
    if (is_file(base / name)) return add_file((base / name).string());
    if (is_file(index)) {
      index_ = index.string();
      return open_index();
    }
  }
  if (const std::string why = why_not_there(folder_, "weights"); !why.empty()) fail(why);
  fail("{} has no weights: neither {} nor {}, nor the {} of either", folder_, kWeightsFile, kTorchWeightsFile,
       kWeightsIndex + 1);
}

void WeightMap::open_index() {
  const nlohmann::json index = nlohmann::json::parse(read_file(index_), nullptr, false);
  LL_CHECK(index.is_object() && index.contains("weight_map") && index["weight_map"].is_object(),
           "{} is not an index of weights: it has no weight_map", index_);
  std::map<std::string, std::vector<std::string>> by_file;
  for (const auto& [name, file] : index["weight_map"].items()) {
    LL_CHECK(file.is_string(), "{}: tensor `{}` names no file", index_, name);
    const std::string shard = file.get<std::string>();
    LL_CHECK(!shard.empty() && fs::path(shard).filename() == shard && shard != "..",
             "{}: tensor `{}` is in `{}`, which is not a file of the same folder", index_, name, shard);
    by_file[shard].push_back(name);
  }
  LL_CHECK(!by_file.empty(), "{} names no tensors", index_);
  check_shards(by_file);
  for (const auto& [shard, names] : by_file) {
    add_file((fs::path(folder_) / shard).string());
    for (const std::string& name : names) {
      LL_CHECK(files_.back()->contains(name), "{} says that tensor `{}` is in {}, which does not have it", index_, name,
               shard);
    }
  }
}

// All that are absent are told at once.
void WeightMap::check_shards(const std::map<std::string, std::vector<std::string>>& by_file) const {
  std::vector<std::string> absent;
  for (const auto& [shard, names] : by_file) {
    const fs::path file = fs::path(folder_) / shard;
    if (const std::string why = broken_link(file.string()); !why.empty()) fail(why);
    if (!is_file(file)) absent.push_back(shard);
  }
  if (absent.empty()) return;
  const size_t all = absent.size();
  absent.resize(std::min<size_t>(all, 3));
  fail("{} names {}{}, which {} not there ({} of {} files): was the download cut off?", index_, fmt::join(absent, ", "),
       all > absent.size() ? ", ..." : "", all == 1 ? "is" : "are", all, by_file.size());
}

std::string WeightMap::canonical(const std::string& name_in_file) const {
  std::string name = without_old_names(name_in_file);
  if (!prefix_.empty() && !is_head(name)) name = prefix_ + name;
  return rename_ ? rename_(name) : name;
}

void WeightMap::add_file(const std::string& path) { files_.push_back(open_tensor_file(path)); }

std::vector<std::string> WeightMap::names() const {
  std::vector<std::string> names;
  for (const auto& [name, where] : entries_) names.push_back(name);
  return names;
}

const WeightMap::Entry& WeightMap::entry(const std::string& name) const {
  const auto it = entries_.find(name);
  if (it == entries_.end()) {
    fail("{} has no tensor `{}`, which its config.json asks for (it has {} tensors)", folder_, name, entries_.size());
  }
  return it->second;
}

const TensorInfo& WeightMap::info(const std::string& name) const {
  const Entry& e = entry(name);
  return e.matrix ? e.matrix->info() : files_[e.file]->info(e.name);
}

bool WeightMap::equal(const std::string& a, const std::string& b) const {
  const Entry &x = entry(a), &y = entry(b);
  const TensorInfo &s = info(a), &t = info(b);
  if (s.dtype != t.dtype || s.shape != t.shape) return false;
  const TensorBytes left = files_[x.file]->bytes(x.name), right = files_[y.file]->bytes(y.name);
  return std::string_view(left) == std::string_view(right);
}

void WeightMap::read_into(const std::string& name, const Tensor& into) {
  const Entry& e = entry(name);
  used_.insert(name);
  if (e.matrix) return e.matrix->read_into(into);
  const Shape shape = info(name).shape;
  const bool grows = grown_.count(name) != 0 && shape.size() == 2 && into.rank() == 2 && shape[0] < into.dim(0);
  files_[e.file]->read_into(e.name, grows ? into.slice_rows(0, shape[0]) : into);
  if (!grows) return;
  const std::vector<float> rows = load(into.context(), name, DType::f32).to_vector<float>();
  std::vector<double> mean(shape[1]);
  for (size_t i = 0; i < rows.size(); ++i) mean[i % mean.size()] += rows[i] / static_cast<double>(shape[0]);
  for (int64_t row = shape[0]; row < into.dim(0); ++row) into.slice_rows(row, row + 1).assign(mean);
}

void WeightMap::read_turned(const std::string& name, const Tensor& into) {
  const Shape wanted = {into.dim(1), into.dim(0)}, &shape = info(name).shape;
  LL_CHECK(shape == wanted, "{}: tensor `{}` is {}, the model's is {}", folder_, name, to_string(shape),
           to_string(wanted));
  into.copy_from(
      Tensor::from<float>(into.context(), into.shape(),
                          transposed(load(into.context(), name, DType::f32).to_vector<float>(), shape[0], shape[1])));
}

Tensor WeightMap::load(Context& context, const std::string& name, DType dtype) {
  const Entry& e = entry(name);
  used_.insert(name);
  if (!e.matrix) return files_[e.file]->load(context, e.name, dtype);
  const Tensor x = Tensor::empty(context, e.matrix->info().shape, dtype);
  e.matrix->read_into(x);
  return x;
}

Tensor WeightMap::borrow(Context& context, const std::string& name, DType dtype) {
  const Entry& e = entry(name);
  if (e.matrix) return {};
  Tensor x = files_[e.file]->borrow(context, e.name, dtype);
  if (x) used_.insert(name);
  return x;
}

std::vector<std::string> WeightMap::unused() const {
  std::vector<std::string> names;
  for (const auto& [name, where] : entries_) {
    if (!used_.count(name)) names.push_back(name);
  }
  return names;
}

std::string WeightMap::unused_message() const {
  std::vector<std::string> names = unused();
  if (names.empty()) return "";
  std::stable_partition(names.begin(), names.end(), [](const std::string& n) { return !is_ignorable_weight(n); });
  const size_t all = names.size(), shown = std::min<size_t>(all, 8);
  names.resize(shown);
  return fmt::format("{} tensor{} of {} {} not used: {}{}", all, all == 1 ? "" : "s", folder_, all == 1 ? "is" : "are",
                     fmt::join(names, ", "), all > shown ? ", ..." : "");
}

}  // namespace lowland
