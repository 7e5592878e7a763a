#include "models/decoder/tied_head.h"

#include <algorithm>
#include <filesystem>

#include "engine/error.h"

namespace lowland {
namespace {

constexpr const char* kHead = "lm_head.weight";

const HeadTensor* find_in(const std::vector<HeadTensor>& tensors, const std::string& name) {
  const auto it = std::find_if(tensors.begin(), tensors.end(), [&](const HeadTensor& t) { return t.name == name; });
  return it == tensors.end() ? nullptr : &*it;
}

// The rows that an adapter has for this weight; 0: it has none.
int64_t rows_of(const LoadedAdapter& adapter, const std::string& name) {
  for (const auto* tensors : {&adapter.head, &adapter.stored})
    if (const HeadTensor* t = find_in(*tensors, name)) return t->shape.empty() ? 0 : t->shape[0];
  const LoraFactors* f = adapter.find(name.substr(0, name.rfind('.')));
  return f == nullptr ? 0 : f->out;
}

void move_tensor(std::vector<HeadTensor>& from, const std::string& name, std::vector<HeadTensor>& to,
                 const std::string& new_name) {
  const HeadTensor* t = find_in(from, name);
  if (t == nullptr) return;
  HeadTensor moved = *t;
  moved.name = new_name;
  from.erase(from.begin() + (t - from.data()));
  if (find_in(to, new_name) == nullptr) to.push_back(std::move(moved));
}

}  // namespace

std::string settle_tied_head(DecoderConfig& config, const WeightMap& weights, const std::string& embedding) {
  const std::string table = embedding + ".weight";
  if (!config.tie_word_embeddings || !weights.contains(kHead) || !weights.contains(table)) return "";
  if (weights.equal(kHead, table)) return "";
  config.tie_word_embeddings = false;
  return fmt::format(
      "{}: config.json says tie_word_embeddings, but {} is stored and is not {}: it is used, as in transformers",
      weights.folder(), kHead, table);
}

std::string settle_tied_head(DecoderConfig& config, const std::string& folder, const std::string& base_prefix,
                             const Rename& rename, const std::string& embedding) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path base(folder);
  const auto there = [&](const char* name) { return fs::exists(base / name, error); };
  if (!config.tie_word_embeddings || !(there("model.safetensors") || there("model.safetensors.index.json"))) return "";
  return settle_tied_head(config, WeightMap(folder, base_prefix, rename), embedding);
}

void fit_to_adapter(DecoderConfig& config, LoadedAdapter& adapter, const std::string& embedding) {
  const std::string table = embedding + ".weight", head = kHead;
  const int64_t table_rows = rows_of(adapter, table), head_rows = rows_of(adapter, head);
  const HeadTensor *whole_table = adapter.find_head(table), *whole_head = adapter.find_head(head);
  if (config.tie_word_embeddings && !config.classifies) {
    const HeadTensor* second = whole_head != nullptr ? whole_head : find_in(adapter.stored, head);
    const bool one = adapter.config.ensure_weight_tying &&
                     (whole_table == nullptr || second == nullptr || second->values == whole_table->values);
    config.head_apart = (whole_table != nullptr || whole_head != nullptr) && !one;
    if (config.head_apart) {  // what was the one weight of both is now that of the other
      if (whole_head == nullptr) move_tensor(adapter.originals, table, adapter.stored, head);
      if (whole_table == nullptr) move_tensor(adapter.originals, head, adapter.stored, table);
    } else {
      move_tensor(adapter.head, head, adapter.head, table);
      move_tensor(adapter.stored, head, whole_table != nullptr ? adapter.originals : adapter.stored, table);
    }
  }
  adapter.originals.clear();
  adapter.sort();
  const int64_t rows = std::max(table_rows, head_rows);
  if (rows == 0 || rows == config.vocab_size) return;
  const bool both = !config.own_head() || (table_rows == rows && head_rows == rows) || rows_of(adapter, head) == rows;
  LL_CHECK(both && rows_of(adapter, table) == rows,
           "the adapter {} has {} rows in its embedding and {} in its head (0: none); the model has {}", adapter.folder,
           table_rows, head_rows, config.vocab_size);
  config.vocab_size = rows;
}

void read_parameter(WeightMap& weights, const DecoderConfig& config, const std::string& embedding,
                    const LoadedAdapter* adapter, const std::string& name, const Tensor& into, bool input_first) {
  const std::string table = embedding + ".weight";
  std::string from = name;
  if (config.tie_word_embeddings && !weights.contains(name)) {
    if (name == kHead) from = table;
    if (name == table && weights.contains(kHead)) from = kHead;
  }
  const bool brought = adapter != nullptr && (adapter->find_head(name) != nullptr || find_in(adapter->stored, name));
  if (input_first) return weights.read_turned(from, into);
  if (brought && weights.contains(from) && weights.info(from).shape != into.shape()) return;
  weights.read_into(from, into);
}

}  // namespace lowland
