// MergedWeights: base + s B A, tensor by tensor: what merge_adapter (models/hub/merge.h) writes as a folder, and
// export_gguf_model (models/gguf/export.h) as a GGUF file.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/context.h"
#include "models/hub/family.h"
#include "models/hub/peft_adapter.h"
#include "nn/model.h"

namespace lowland {

class MergedWeights {
 public:
  // base: a folder, or a name as for resolve_model_folder; adapter: its folder, empty: the base alone. Throws Error on
  // an adapter that does not load on that base (check_adapter).
  MergedWeights(const std::string& base, const std::string& adapter, const HubFamily& family);

  const std::string& folder() const { return folder_; }  // of the base
  const LoadedAdapter& adapter() const { return adapter_; }
  const WeightMap& weights() const { return weights_; }
  const std::string& lost() const { return lost_; }  // unmatched_targets()

  // A head that is the embedding no longer, which the base lacks, and the embedding that it begins as. Empty: none.
  const std::string& apart() const { return apart_; }
  const std::string& apart_from() const { return apart_from_; }
  bool parted() const { return parted_; }  // embedding and head are no longer one

  // By a tensor's name of today, which the base has or the adapter brings:
  bool as_in_base(const std::string& name) const;                                   // the adapter says nothing of it
  bool adapted(const std::string& name) const;                                      // it has a pair
  bool is_another(const std::string& name) const { return same_.count(name) > 0; }  // the embedding, stored once more
  const HeadTensor* whole(const std::string& name) const;  // what the adapter holds in its place; null: nothing
  Tensor value(const std::string& name);                   // in f32

  // config.json of the merged model; notes: a line on each change that embedding and head make in it.
  std::string config_json(std::vector<std::string>& notes) const;

 private:
  void take_tied(const nn::Linear& output, const nn::Embedding& table);
  const std::string& stored_as(const std::string& name) const;
  const HeadTensor* tokens_of(const std::string& name) const;
  const LoraFactors* factors_of(const std::string& name) const;
  int64_t changed_vocabulary() const;

  Context context_;
  const HubFamily& family_;
  std::string folder_;
  LoadedAdapter adapter_;
  WeightMap weights_;
  std::unique_ptr<nn::Model> model_;
  std::map<std::string, std::string> same_;  // a tensor that is another one
  std::string apart_, apart_from_, lost_;
  bool parted_ = false;
};

}  // namespace lowland
