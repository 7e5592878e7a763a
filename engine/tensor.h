// Tensor: a contiguous row-major array on a device. Copies are cheap handles to the same memory; a view is a run of
// rows or another shape of the same elements. An empty Tensor (no storage) stands for "absent". A matrix in blocks
// (kernels/common/blocks.h) is read by few ops; it is converted to and, where encode_row can, from numbers.
//
// On a GPU the elements are in its memory: data() and raw() are addresses for kernels, and no code of the host may read
// through them. to_vector, item and HostBytes copy out and wait. Indices (i32) that the host wrote are kept beside the
// device's copy: host() reads them without waiting, which is how ops check ids and bounds.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "engine/context.h"
#include "kernels/common/dtype.h"

namespace lowland {

using Shape = std::vector<int64_t>;
int64_t numel_of(const Shape& shape);
std::string to_string(const Shape& shape);  // "(2,768)"

// Memory of one or more tensors. Owned by the Context's allocator, or borrowed (a memory-mapped file, say).
class Storage {
 public:
  Storage(Context& context, size_t bytes);
  Storage(Context& context, void* borrowed, std::shared_ptr<const void> owner);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  Context& context() const { return context_; }
  char* data() const { return data_; }
  // On a device: what the host wrote last, if the memory holds i32 numbers. Empty: unknown.
  std::vector<char>& host_copy() { return host_copy_; }

 private:
  Context& context_;
  char* data_ = nullptr;
  bool owned_ = false;
  std::shared_ptr<const void> owner_;
  std::vector<char> host_copy_;
};

struct GradSlot;

class Tensor {
 public:
  Tensor() = default;
  static Tensor empty(Context& context, Shape shape, DType dtype);
  static Tensor zeros(Context& context, Shape shape, DType dtype);
  static Tensor empty_like(const Tensor& x) { return empty(x.context(), x.shape(), x.dtype()); }
  static Tensor zeros_like(const Tensor& x) { return zeros(x.context(), x.shape(), x.dtype()); }
  template <class T> static Tensor from(Context& context, Shape shape, const std::vector<T>& values);
  // A tensor over memory that somebody else keeps: `owner` lives as long as the tensor.
  static Tensor borrow(Context& context, Shape shape, DType dtype, void* data, std::shared_ptr<const void> owner);

  bool defined() const { return storage_ != nullptr; }
  explicit operator bool() const { return defined(); }
  Context& context() const { return storage_->context(); }
  const Shape& shape() const { return shape_; }
  int64_t rank() const { return shape_.size(); }
  int64_t dim(int64_t i) const;  // negative: from the end
  int64_t numel() const { return numel_of(shape_); }
  int64_t rows() const { return numel() == 0 ? dim(0) : numel() / dim(-1); }  // all dimensions but the last
  DType dtype() const { return dtype_; }
  size_t nbytes() const;

  void* raw() const { return defined() ? storage_->data() + offset_ : nullptr; }
  // Null for an absent tensor. Throws Error if T is not the tensor's dtype.
  template <class T> T* data() const {
    if (defined()) require_dtype(dtype_of<T>);
    return static_cast<T*>(raw());
  }
  template <class T> std::vector<T> to_vector() const;
  double item() const;  // the value of a one-element tensor, as double
  // Converts and writes numbers of the host. One for each element.
  template <class T> void assign(const std::vector<T>& values) const;
  void assign_bytes(const void* from) const { write(from); }  // nbytes() of the tensor's own dtype
  // i32 elements for the host to read: the CPU's memory, or what the host wrote last. Throws Error if a kernel made
  // them.
  const int32_t* host() const;

  Tensor slice_rows(int64_t begin, int64_t end) const;  // view of [begin, end) of dimension 0, outside autograd
  Tensor reshape(Shape shape) const;                    // same elements, same gradient
  Tensor clone() const;
  Tensor to(DType dtype) const;                // converted copy (a handle if nothing changes), outside autograd
  Tensor detach() const;                       // same memory, no gradient
  void copy_from(const Tensor& source) const;  // equal numel; converts
  void fill_zero() const;
  // Shape, type and gradient without the memory: what give() and sink() need of an input whose values no
  // backward reads.
  Tensor gradient_only() const;
  // True if no other handle shares the memory: the buffer may be reused for a result.
  bool sole_owner() const { return storage_.use_count() == 1; }

  // --- gradient
  bool requires_grad() const { return slot_ != nullptr; }
  void set_requires_grad();           // a leaf whose gradient is kept (in f32 for a bf16 leaf)
  void set_grad_buffer(Tensor grad);  // a leaf that accumulates into `grad`, which is f32 for a bf16 leaf
  Tensor grad() const;                // absent before a backward reached it
  // Where engine/autograd.h brings the gradient, shared by all handles; null if none is asked for.
  const std::shared_ptr<GradSlot>& grad_slot() const { return slot_; }

 private:
  void require_dtype(DType wanted) const;
  void write(const void* from) const;                         // nbytes() bytes of the host
  void read(void* to, const void* from, size_t bytes) const;  // to the host
  char* host_copy() const;
  void copy_across(const Tensor& source) const;

  std::shared_ptr<Storage> storage_;
  std::shared_ptr<GradSlot> slot_;
  Shape shape_;
  size_t offset_ = 0;  // bytes
  DType dtype_ = DType::f32;
};

struct GradSlot {
  Tensor grad;               // absent until the first contribution
  bool bound = false;        // a leaf that accumulates into a buffer of somebody else's (the arena of trainables)
  DType dtype = DType::f32;  // of the gradient: the tensor's own, but f32 for a trained number in bf16
};

// A tensor's bytes on the host: its own memory on the CPU, a copy elsewhere (made by waiting for the device).
class HostBytes {
 public:
  explicit HostBytes(const Tensor& x);
  const void* data() const { return data_; }
  template <class T> const T* as() const { return static_cast<const T*>(data_); }

 private:
  Tensor keep_;
  std::vector<char> copy_;
  const void* data_ = nullptr;
};

// "(2,768) f32 cpu", or "absent".
std::string describe(const Tensor& x);

}  // namespace lowland
