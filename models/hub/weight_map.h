// WeightMap: the weights of a Hugging Face folder, under the names that the models use.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/io/tensor_file.h"
#include "models/hub/bitsandbytes.h"

namespace lowland {

// Whether transformers' own loaders, too, would leave a tensor of this name aside in an encoder or a decoder:
// `lm_head.*`, `*.pooler.*`, `*.position_ids`, `*.rotary_emb.inv_freq`, `cls.*`, `vocab_*` (DistilBERT's
// masked-LM head), `*.attn.bias` and `*.attn.masked_bias` (GPT-2's masks).
bool is_ignorable_weight(const std::string& name);

// Today's name of a tensor or module that may have an older one.
using Rename = std::function<std::string(const std::string&)>;

// All weights of a folder, from one file or from shards, of safetensors or, where there are none, of torch.save, or of
// a GGUF file, under the names the model uses today:
//   * LayerNorm.gamma and LayerNorm.beta of very old files are LayerNorm.weight and LayerNorm.bias;
//   * in a folder saved from the bare encoder, `base_prefix` ("roberta", "model") is put before every name;
//   * of a family whose modules were renamed (LLaVA), `rename` gives today's name for any other;
//   * what bitsandbytes quantised is one matrix, without the tensors that hold its scales.
// Remembers what was read, so that unused tensors can be told once.
class WeightMap {
 public:
  // Throws Error on a folder without weights, on an index that does not fit its files, and on a name given twice.
  explicit WeightMap(const std::string& folder, const std::string& base_prefix = "", Rename rename = {});

  const std::string& folder() const { return folder_; }
  std::vector<std::string> names() const;  // sorted
  bool contains(const std::string& name) const { return entries_.count(name) > 0; }
  const TensorInfo& info(const std::string& name) const;  // Error that names a missing tensor; its name is the file's
  bool equal(const std::string& a, const std::string& b) const;  // two tensors, in dtype, shape and every bit
  // All of these count as use. Shapes are checked by read_into; see TensorFile.
  void read_into(const std::string& name, const Tensor& into);
  // A matrix that the file holds as (in, out) into one of (out, in).
  void read_turned(const std::string& name, const Tensor& into);
  Tensor load(Context& context, const std::string& name, DType dtype);
  Tensor borrow(Context& context, const std::string& name, DType dtype);

  void use(const std::string& name) { used_.insert(name); }  // somebody has it already

  // read_into of these tables fills more rows than the folder has, those behind with the mean of its own: transformers'
  // resize_token_embeddings without its noise.
  void grow(const std::vector<std::string>& names) { grown_.insert(names.begin(), names.end()); }

  // For merging: the files as they are, in the index's order.
  const std::vector<std::shared_ptr<const TensorFile>>& files() const { return files_; }
  const std::string& index() const { return index_; }  // the path of the shards' index; empty if there is one file
  // Today's name of a tensor of the files.
  std::string canonical(const std::string& name_in_file) const;

  // The types of those that are in blocks.
  std::map<std::string, DType> blocks() const;

  std::vector<std::string> unused() const;  // not read so far, sorted
  // One line on the unused tensors, empty if there are none: "3 tensors of DIR are not used: lm_head.bias,
  // ...". Those that is_ignorable_weight() does not know are named first.
  std::string unused_message() const;

 private:
  struct Entry {
    size_t file;
    std::string name;                              // in the file
    std::shared_ptr<const BnbMatrix> matrix = {};  // where the tensor is a part of one
  };
  void join_quantised();
  const Entry& entry(const std::string& name) const;
  void open_files();
  void open_index();
  void check_shards(const std::map<std::string, std::vector<std::string>>& by_file) const;
  void add_file(const std::string& path);

  std::string folder_, index_, prefix_;  // prefix_ is put before names: "" or "roberta."
  Rename rename_;                        // absent: names are today's
  std::vector<std::shared_ptr<const TensorFile>> files_;
  std::map<std::string, Entry> entries_;
  std::set<std::string> used_, grown_;
};

}  // namespace lowland
