// Arena: every trained number in one flat array, with parallel arrays for gradient and perturbation.
//
//   values   [ all lora_a | all lora_b | decayed | undecayed ]      the centre: only an optimizer step changes it
//   grads    the same layout
//   perturbation of B   over the lora_b region, and of A over the lora_a region: only when a method asks for them
//
// Zeroing, clipping, all-reduce, the update and the checkpoint are one pass each; tensors are named views.
// Specs of one role keep the order they are given in, so that the A's that read one input (q, k, v), given one
// after another, are one matrix (K R, M) in memory. A tensor of another role starts at a multiple of 16
// elements; the gaps stay zero.
//
// Where the forward computes in bf16, the arrays here are the f32 masters, and one more array holds what the forward
// reads: bf16(values), or bf16(values + perturbation) while a PerturbedView is alive. value() gives its parts, whose
// gradients are the f32 ones; refresh() brings it up to date and is called at the start of every forward pass.
//
// The adapter has two views. The forward reads the centre, B, unless a PerturbedView is alive: then it reads
// B + E. The centre is never modified by a perturbation, so there is nothing to restore; and what must see the
// centre (evaluation, saving, merging) calls require_centre, which throws while a PerturbedView is alive.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace lowland::nn {

enum class Role : uint8_t { lora_a, lora_b, decayed, undecayed };  // in the order of the arena
inline constexpr int kRoles = 4;
const char* name_of(Role role);

struct ArenaSpec {
  std::string name;
  Shape shape;  // lora_a: (r, m)   lora_b: (n, r)
  Role role = Role::decayed;
};

// One adapted matrix W (n, m): its effective weight is W + scale * B A.
struct AdapterSpec {
  std::string module;
  std::string a, b;  // names of specs: A (r, m), B (n, r)
  int64_t n = 0, m = 0, r = 0;
  double scale = 0;            // alpha / r, or alpha / sqrt(r)
  std::string magnitude = {};  // of DoRA (kernels/dora.h), the rows' lengths: name of a spec (n); empty: none
};

// A row of the descriptor table: offsets are elements from the start of the arena.
struct Adapter : AdapterSpec {
  int64_t a_offset = 0, b_offset = 0;
};

struct ArenaSlot : ArenaSpec {
  int64_t offset = 0;
};

struct Range {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};

class Arena {
 public:
  // dtype: what the forward computes in: f32, bf16 (masters in f32), or f64 for tests. Values and gradients start at
  // zero. Throws Error on a name given twice, on an adapter whose A or B is missing or has another shape, and on a
  // scale of zero or one that is not finite. learns: false leaves out the gradients.
  Arena(Context& context, DType dtype, std::vector<ArenaSpec> specs, std::vector<AdapterSpec> adapters,
        bool learns = true);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  Context& context() const { return values_.context(); }
  DType dtype() const { return values_.dtype(); }   // of the masters
  bool rounded() const { return view_.defined(); }  // the forward reads them in bf16
  int64_t size() const { return values_.numel(); }
  Range range(Role role) const { return ranges_[static_cast<size_t>(role)]; }
  const std::vector<ArenaSlot>& slots() const { return slots_; }  // in the order of the arena
  const std::vector<Adapter>& adapters() const { return adapters_; }
  bool has(const std::string& name) const { return index_.count(name) != 0; }

  // --- whole arrays, 1-D
  // Whoever asks may write into them: the next refresh() counts on it.
  const Tensor& values() const {
    touch();
    return values_;
  }
  const Tensor& grads() const { return grads_; }  // absent where nothing learns
  void zero_grads() const;

  // Rows [begin, end) of a tensor stay as they are: drop_held_gradients() sets what they were given to zero, before
  // an optimizer reads it.
  void hold(const std::string& name, int64_t begin, int64_t end);
  void drop_held_gradients() const;

  // --- named views. Each throws Error on an unknown name.
  Tensor value(const std::string& name) const;  // what the forward reads, a leaf: backward accumulates into grad(name)
  Tensor master(
      const std::string& name) const;  // what files and optimizers read and write; the same memory but in bf16
  Tensor grad(const std::string& name) const;
  // value() before it is rounded to bf16: for what the forward reads as it is trained.
  Tensor unrounded(const std::string& name) const;
  // The lora_a tensors from `first` on as one (sum of r, m) matrix, a leaf as well. REQUIRES count >= 1, one width m.
  Tensor stacked(const std::string& first, int64_t count) const;

  // --- perturbation
  // Gives zeroed memory to the perturbation of a role (lora_a or lora_b), once. narrow: in bf16, not as the masters.
  void want_perturbation(Role role, bool narrow = false);
  // The whole array of a role (absent if not asked for), and one tensor's part of it.
  const Tensor& perturbation(Role role) const;
  Tensor perturbation(const std::string& name) const;
  // What the forward adds: absent at the centre, where the role has no perturbation, and in bf16 (value() has it).
  Tensor forward_perturbation(const std::string& name) const;
  Tensor forward_perturbation_stacked(const std::string& first, int64_t count) const;

  // Pairs beside the adapters' own, of the same names and scales and of a rank that a method chooses: the forward reads
  // W + s B A + s B' A' while a PerturbedView is alive. Makes them, zero, once; zero_grads() and refresh()
  // are theirs, too.
  Arena& want_side(const std::function<int64_t(const Adapter&)>& rank, bool learns);
  const Arena* forward_side() const { return perturbed_ ? side_.get() : nullptr; }

  // Noise on the adapted rows of frozen weights, for the forward while a PerturbedView is alive: rho in the backend's
  // memory, draws by the pass's seed and step.
  void want_noise(const double* rho) { noise_ = rho; }
  const double* forward_noise() const { return perturbed_ ? noise_ : nullptr; }

  // Brings what the forward reads up to date: nothing but in bf16, and there only after a change.
  void refresh() const;
  void touch() const { stale_ = true; }  // masters may have changed

  bool perturbed() const { return perturbed_; }
  // Throws Error, naming what was tried ("save", "evaluation"), while a PerturbedView is alive.
  void require_centre(const char* what) const;

 private:
  friend class PerturbedView;
  const ArenaSlot& slot(const std::string& name) const;
  Range stack(const std::string& first, int64_t count, Shape& shape) const;  // where the stacked matrix lies

  std::vector<ArenaSlot> slots_;
  std::vector<Adapter> adapters_;
  std::vector<Range> held_;
  std::map<std::string, size_t> index_;
  Range ranges_[kRoles];
  Tensor values_, grads_;
  Tensor view_;  // (size) bf16, absent where the forward reads values_
  mutable bool stale_ = true;
  Tensor perturbation_a_, perturbation_b_;
  std::unique_ptr<Arena> side_;
  const double* noise_ = nullptr;
  bool perturbed_ = false;
};

// While it lives, the forward reads B + E (and A + E_A, pairs beside them, noise, where asked for). Empty (default)
// means the centre. Movable, so that a method can return the view its next pass needs. One at a time per arena.
class [[nodiscard]] PerturbedView {
 public:
  PerturbedView() = default;
  explicit PerturbedView(Arena& arena);
  PerturbedView(PerturbedView&& other) noexcept : arena_(other.arena_) { other.arena_ = nullptr; }
  PerturbedView& operator=(PerturbedView&&) = delete;
  ~PerturbedView();

 private:
  Arena* arena_ = nullptr;
};

}  // namespace lowland::nn
