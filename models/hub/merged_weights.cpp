#include "models/hub/merged_weights.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/ops/ops.h"
#include "models/gguf/gguf_model.h"
#include "models/hub/adapter.h"
#include "models/hub/base_model.h"
#include "models/hub/hub_folder.h"
#include "models/hub/json_keys.h"

namespace lowland {
namespace {

// config.json with a vocabulary of `rows` (0: as it was) and, where `parted`, a head of its own; other keys stay.
std::string vocabulary_config(const std::string& text, const std::string& file, int64_t rows, bool parted) {
  nlohmann::ordered_json j = JsonKeys(text, file).root();
  nlohmann::ordered_json& decoder = j.contains("text_config") ? j["text_config"] : j;
  if (rows > 0) decoder["vocab_size"] = rows;
  if (rows > 0 && &decoder != &j && j.contains("vocab_size")) j["vocab_size"] = rows;
  if (parted) j["tie_word_embeddings"] = decoder["tie_word_embeddings"] = false;
  return j.dump(2) + '\n';
}

// Of a model whose matrices are numbers again.
std::string config_of_numbers(const std::string& text, const std::string& file) {
  nlohmann::ordered_json j = JsonKeys(text, file).root();
  j.erase("quantization_config");
  return j.dump(2) + '\n';
}

// Each output's weights, a row of w or where `turned` a column, with this length instead of their own.
Tensor with_lengths(const Tensor& w, const std::vector<float>& lengths, bool turned) {
  const int64_t rows = w.dim(0), columns = w.dim(1);
  std::vector<float> values = w.to_vector<float>();
  std::vector<double> squares(lengths.size());
  const auto output = [turned](int64_t row, int64_t column) { return turned ? column : row; };
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      const auto x = static_cast<double>(values[i * columns + j]);
      squares[output(i, j)] += x * x;
    }
  std::vector<float> factors(lengths.size());
  for (size_t o = 0; o < lengths.size(); ++o)
    factors[o] = squares[o] > 0 ? static_cast<float>(static_cast<double>(lengths[o]) / std::sqrt(squares[o])) : 0.0f;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) values[i * columns + j] *= factors[output(i, j)];
  return Tensor::from<float>(w.context(), w.shape(), values);
}

}  // namespace

MergedWeights::MergedWeights(const std::string& base, const std::string& adapter, const HubFamily& family)
    : family_(family),
      folder_(resolve_model_folder(base)),
      adapter_(adapter.empty() ? LoadedAdapter{} : load_adapter(adapter, family.rename)),
      weights_(open_weights(folder_, family)) {
  if (!adapter.empty()) check_base(adapter_, base_of(weights_));
  model_ = family.outline(folder_, adapter_);
  if (!adapter.empty()) {
    attach_adapter(*model_, settings_of(adapter_), family, &adapter_);
    check_adapter(*model_, adapter_);
    lost_ = unmatched_targets(*model_, adapter_);
  }
  for (const nn::Linear* output : model_->outputs())
    for (const nn::Embedding* table : model_->tables()) take_tied(*output, *table);
}

// An output layer that is the embedding in the base, though the model may have parameters of its own for it.
void MergedWeights::take_tied(const nn::Linear& output, const nn::Embedding& table) {
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

const std::string& MergedWeights::stored_as(const std::string& name) const {
  const auto same = same_.find(name);
  return same == same_.end() ? name : same->second;
}

const HeadTensor* MergedWeights::whole(const std::string& of) const {
  const std::string& name = stored_as(of);
  if (const HeadTensor* h = adapter_.find_head(name)) return h;
  const HeadTensor* shared = nullptr;  // the weight of embedding and head, before the pair that parts them
  for (const HeadTensor& t : adapter_.stored) {
    if (t.name == name) return &t;
    if (name == apart_ && t.name == apart_from_) shared = &t;
  }
  return shared;
}

const HeadTensor* MergedWeights::tokens_of(const std::string& of) const {
  const std::string& name = stored_as(of);
  const auto it =
      std::find_if(adapter_.tokens.begin(), adapter_.tokens.end(), [&](const HeadTensor& t) { return t.name == name; });
  return it == adapter_.tokens.end() ? nullptr : &*it;
}

const LoraFactors* MergedWeights::factors_of(const std::string& of) const {
  const std::string& name = stored_as(of);
  constexpr std::string_view kSuffix = ".weight";
  return name.ends_with(kSuffix) ? adapter_.find(name.substr(0, name.size() - kSuffix.size())) : nullptr;
}

bool MergedWeights::adapted(const std::string& name) const { return factors_of(name) != nullptr; }

bool MergedWeights::as_in_base(const std::string& name) const {
  return factors_of(name) == nullptr && whole(name) == nullptr && tokens_of(name) == nullptr && weights_.contains(name);
}

Tensor MergedWeights::value(const std::string& name) {
  const HeadTensor* h = whole(name);
  Tensor w = h != nullptr ? Tensor::from<float>(context_, h->shape, h->values)
                          : weights_.load(context_, weights_.contains(name) ? name : apart_from_, DType::f32);
  if (const HeadTensor* t = tokens_of(name)) {  // rows of trainable_token_indices; w itself may lie in the file
    w = w.clone();
    const std::vector<int64_t>& ids = *adapter_.config.tokens_of(t->name.substr(0, t->name.rfind('.')));
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto begin = t->values.begin() + static_cast<int64_t>(i) * t->shape[1];
      w.slice_rows(ids[i], ids[i] + 1).assign(std::vector<float>(begin, begin + t->shape[1]));
    }
  }
  const LoraFactors* f = factors_of(name);
  if (f == nullptr) return w;
  const Tensor a = Tensor::from<float>(context_, {f->rank, f->in}, f->a),
               b = Tensor::from<float>(context_, {f->out, f->rank}, f->b);
  const bool turned = model_->parameters().input_first(stored_as(name));
  const Tensor product = turned ? ops::matmul(a, b, true, true) : ops::matmul(b, a);  // (in, out) or (out, in)
  w = ops::add(w, ops::scale(product, f->scale));
  return f->magnitude.empty() ? w : with_lengths(w, f->magnitude, turned);
}

// The rows of the embedding, where they are not those of the folder; else 0.
int64_t MergedWeights::changed_vocabulary() const {
  for (const nn::Embedding* table : model_->tables()) {
    const int64_t rows = table->weight().shape[0];
    const std::string name = table->module() + ".weight";
    if (is_vocabulary_module(table->module()) && weights_.contains(name) && weights_.info(name).shape.at(0) != rows)
      return rows;
  }
  return 0;
}

std::string MergedWeights::config_json(std::vector<std::string>& notes) const {
  const std::string file = folder_ + "/config.json";
  const int64_t rows = changed_vocabulary();
  std::string text = read_model_file(file);
  if (family_.merged_config) text = family_.merged_config(text, file, adapter_);
  if (!is_gguf_path(folder_) && !weights_.blocks().empty()) text = config_of_numbers(text, file);
  if (rows == 0 && !parted_) return text;
  if (rows > 0) notes.push_back(fmt::format("config.json: vocab_size {}", rows));
  if (parted_) notes.emplace_back("config.json: tie_word_embeddings false: the head is no longer the embedding");
  return vocabulary_config(text, file, rows, parted_);
}

}  // namespace lowland
