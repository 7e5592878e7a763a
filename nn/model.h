// Model: what the training loop, the probes and the hub need to know of a model: its parameters, its linear maps and
// its adapters. Life of a model: construct (names and shapes), choose what is trained, materialise (memory), fill
// (files or fresh values), forward, which each model declares as its inputs ask.
//
// A model may be a part of another one, as the tower and the decoder of a vision-language model are. The parts and the
// whole share one set of parameters, one arena and one memory: whatever is asked of any of them is answered for all.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nn/block_cache.h"
#include "nn/embedding.h"
#include "nn/linear.h"

namespace lowland::nn {

class Model {
 public:
  virtual ~Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  ParameterSet& parameters() { return parameters_; }
  const ParameterSet& parameters() const { return parameters_; }
  // Linear modules; an output layer is among them where it has a pair.
  const std::vector<Linear*>& linears() const { return all_->linears; }
  const std::vector<Linear*>& outputs() const { return all_->outputs; }  // layers that give a token's logits
  const std::vector<Embedding*>& tables() const { return all_->tables; }
  bool is_table(const std::string& module) const;  // the module is one of tables()

  int64_t trainable_count() const;  // once it is chosen what is trained
  int64_t total_count() const;      // frozen, trained and adapters

  // --- before materialise
  // Trains every parameter whose module path or name satisfies the predicate.
  void train(const std::function<bool(const std::string& name)>& which);
  // Trains of the biases that are not trained yet those that the predicate names, by NAME.bias.
  void train_biases(const std::function<bool(const std::string& name)>& which);
  // Trains these rows of a table that is not trained yet, without weight decay. ids ascend.
  void train_rows(const std::string& name, const std::vector<int64_t>& ids);
  // LoRA pairs on the modules that the configuration targets.
  void attach_lora(const LoraConfig& config);
  // Recompute each block in the backward pass instead of keeping its tensors.
  void set_recompute(bool on) { all_->recompute = on; }

  // Keep frozen matrices in bf16 while activations are in f32.
  void set_frozen_dtype(DType dtype) { all_->frozen_dtype = dtype; }
  // Keep the frozen matrices of linear maps in blocks (kernels/common/blocks.h), but not of output layers; a matrix
  // whose rows are no whole number of blocks stays as it would be.
  void set_quantised(DType blocks) { all_->quantised = blocks; }
  // Frozen matrices that a checkpoint has in blocks, by Hugging Face's names: kept so, but where it has (in, out).
  void set_stored_blocks(std::map<std::string, DType> types) { all_->stored = std::move(types); }

  // Each of `world` processes holds a part of the frozen matrices of blocks (nn/shards.h); gather_with before the first
  // pass. Every process makes the same passes: a silent one where it has nothing to compute.
  void shard(int world, int index) {
    if (world > 1) parameters_.shard(world, index);
  }
  bool sharded() const { return parameters_.shards() != nullptr; }
  void gather_with(dist::Communicator* ranks) {
    if (sharded()) parameters_.shards()->gather_with(ranks);
  }
  void silent_pass() {
    if (sharded()) parameters_.shards()->pass();
  }

  // Memory for everything. dtype: what the forward computes in; f64 is for checks, bf16 for GPUs (trained numbers
  // then have f32 masters).
  void materialise(Context& context, DType dtype);

  // --- after materialise
  Context& context() const { return *all_->context; }
  DType dtype() const { return all_->dtype; }
  Arena& arena() const { return *all_->arena; }
  const std::vector<AdapterSpec>& adapters() const { return all_->adapters; }
  // A uniform in +-1/sqrt(in) or LoraConfig::gaussian, of an embedding standard normal, and B zero (peft's
  // initialisations): a function of the seed and the module's name. DoRA's magnitudes are the lengths of the weights'
  // rows: weights come first.
  void initialise_adapters(uint64_t seed);
  // What blocks give that nothing trains is kept there and taken from there; null: computed each time.
  void set_block_cache(std::shared_ptr<BlockCache> cache) { all_->block_cache = std::move(cache); }
  BlockCache* block_cache() const { return all_->block_cache.get(); }

 private:
  struct Shared {
    ParameterSet parameters;
    std::vector<std::unique_ptr<Linear>> owned;
    std::vector<Linear*> linears;
    std::vector<ArenaSpec> adapter_specs;
    std::vector<AdapterSpec> adapters;
    std::unique_ptr<Arena> arena;
    Context* context = nullptr;
    DType dtype = DType::f32;
    std::optional<DType> frozen_dtype;  // absent: dtype
    bool recompute = false, gaussian = false;
    std::vector<Linear*> outputs;
    std::vector<std::unique_ptr<Embedding>> owned_tables;
    std::vector<Embedding*> tables;
    std::optional<DType> quantised;
    std::map<std::string, DType> stored;  // by name
    std::shared_ptr<BlockCache> block_cache;
  };
  DType frozen_type(const Parameter& p, const NamedRows& r) const;
  std::shared_ptr<Shared> all_;

 protected:
  // A part of `whole`, or where that is null a model by itself.
  explicit Model(Model* whole = nullptr)
      : all_(whole != nullptr ? whole->all_ : std::make_shared<Shared>()), parameters_(all_->parameters) {}
  Linear* own(std::unique_ptr<Linear> linear);
  Linear* own_output(std::unique_ptr<Linear> linear);
  Embedding* own(std::unique_ptr<Embedding> table);
  bool recompute() const { return all_->recompute; }
  // While it lives the matrices of the block that the linear map is of are there.
  Gathered gathered(const Linear& linear) const { return {parameters_.shards(), linear.weight().block, context()}; }

  ParameterSet& parameters_;
};

}  // namespace lowland::nn
