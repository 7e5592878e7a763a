// Parameters of a model: what it is made of, before and after memory is given to it.
//
// A model first registers its parameters by Hugging Face's names and shapes. Then it is decided which of them
// are trained and where adapters sit; only then does materialise() give memory: trainables live in the arena,
// frozen weights in tensors of their own. One parameter may be stored as one matrix that holds several named
// ones, q above k above v: one GEMM reads it whole, files see the rows by name.
//
// A frozen parameter lies in pieces: runs of its rows, one under the other, each a tensor with a type of its own.
// Mostly there is one. Where a checkpoint holds q and k in other blocks than v there are several, cut between named
// rows. Weight (engine/ops/ops.h) is the matrix as products read it, a product for each piece.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/ops/ops.h"
#include "nn/arena.h"
#include "nn/shards.h"

namespace lowland::nn {

enum class Init { zeros, ones, normal };

struct NamedRows {
  std::string name;   // Hugging Face's name
  int64_t begin = 0;  // rows of the parameter
  int64_t end = 0;
};

// Rows [begin, end) of a frozen parameter.
struct Piece {
  int64_t begin = 0, end = 0;
  Tensor value;
};

struct Parameter {
  std::string name;  // of the whole; the first of `rows` where there are several
  Shape shape;
  std::vector<NamedRows> rows;  // at least one
  Init init = Init::normal;
  bool decay = true;  // weight decay applies (never to biases and norms)
  bool trainable = false;
  bool in_part = false;      // trained, but not with its module: a bias beside a frozen weight, or rows of a table
  bool input_first = false;  // files hold the matrix as (in, out): transformers' Conv1D
  std::vector<std::pair<int64_t, int64_t>> held;  // rows that stay as they are, though the parameter is trained
  bool replaced = false;                          // an adapter's file brought another value than the checkpoint's
  bool shared = false;                            // frozen, with the memory and the values of another model's
  int64_t block = -1;                             // of the model's, by number; -1: of none
  bool sharded =
      false;  // its pieces lie in a buffer that is other blocks' as well (Shards): only need() makes them its
  // After materialise():
  std::vector<Piece> pieces;  // all rows from the top down; empty if trained
  Tensor value;               // what the forward reads; absent if there are several pieces
  Tensor master;              // what files read and write: value, or the f32 behind a bf16 that is trained

  bool trains(const NamedRows& r) const;  // any of these rows
  std::vector<int64_t> trained_rows() const;
  size_t frozen_bytes() const;  // of all pieces; none if sharded

  // Rows [begin, end) of the value with their share of the gradient buffer; the same of any parameter, in pieces or
  // not; and those that files read and write, which lie in one piece.
  Tensor slice(int64_t begin, int64_t end) const;
  Weight weight(int64_t begin, int64_t end) const;
  Tensor stored(int64_t begin, int64_t end) const;
};

// Pieces of a model's frozen parameters in memory, by name. Nothing writes into them once they are filled.
using FrozenWeights = std::map<std::string, std::vector<Piece>>;

class ParameterSet {
 public:
  ParameterSet() = default;
  ParameterSet(const ParameterSet&) = delete;
  ParameterSet& operator=(const ParameterSet&) = delete;

  // Each returns a reference that stays valid for the life of the set.
  Parameter& add(const std::string& name, Shape shape, Init init, bool decay);
  Parameter& add_rows(const std::vector<NamedRows>& rows, Shape shape, Init init, bool decay);

  // Parameters that are added from here on belong to the next block, until end_block (BlockScope).
  void begin_block() { block_ = blocks_++; }
  void end_block() { block_ = -1; }

  // A number for a module that draws random numbers; the same model gives the same numbers.
  uint64_t next_op() { return ++ops_; }

  const std::vector<std::unique_ptr<Parameter>>& all() const { return parameters_; }
  // Every Hugging Face name with the tensor that files read and write (a row view where stored together). After
  // materialise(). Error, here and in find, where shards are asked for.
  std::vector<std::pair<std::string, Tensor>> named() const;
  // Calls fill with the same without what is shared, for a reader of files; and the names of what is.
  void fill(const std::function<void(const std::string& name, const Tensor& into)>& fill);
  std::vector<std::string> shared_names() const;
  // The same by parameters. Whatever fills them goes by one of the two: of shards this process's part is kept then.
  void fill_each(const std::function<void(Parameter& p)>& fill);
  Tensor find(const std::string& name) const;       // absent if there is none
  bool input_first(const std::string& name) const;  // Parameter::input_first
  int64_t count() const;                            // numbers in all parameters, adapters not included

  // Before materialise(): frozen matrices of blocks are divided among processes.
  void shard(int world, int index) { shards_ = std::make_unique<Shards>(world, index); }
  Shards* shards() const { return shards_.get(); }  // null: everything is whole
  // Before materialise(): frozen parameters of the same names and shapes, and later of the same dtype and Context, are
  // those of another model that is filled.
  void share(const FrozenWeights& weights);
  FrozenWeights frozen() const;
  // Gives memory to everything: trainable parameters become views of the arena; of frozen ones named rows that follow
  // each other and have one type, as `frozen` says, are a piece.
  using TypeOfRows = std::function<DType(const Parameter&, const NamedRows&)>;
  void materialise(Context& context, const TypeOfRows& frozen, Arena* arena);
  // What the arena needs to hold for the trainable parameters.
  std::vector<ArenaSpec> arena_specs() const;
  // Fresh values: normal(0, std) for matrices, 1 and 0 for norms and biases, a function of seed and name only.
  void initialise(uint64_t seed, double std, const std::function<bool(const std::string&)>& which);

 private:
  void touch() const;  // a caller may write into masters
  std::vector<std::unique_ptr<Parameter>> parameters_;
  uint64_t ops_ = 0;
  int64_t blocks_ = 0, block_ = -1;
  const Arena* arena_ = nullptr;
  std::unique_ptr<Shards> shards_;
};

// While it lives parameters are added to a block.
class BlockScope {
 public:
  explicit BlockScope(ParameterSet& set) : set_(set) { set_.begin_block(); }
  ~BlockScope() { set_.end_block(); }
  BlockScope(const BlockScope&) = delete;
  BlockScope& operator=(const BlockScope&) = delete;

 private:
  ParameterSet& set_;
};

}  // namespace lowland::nn
