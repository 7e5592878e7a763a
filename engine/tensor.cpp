#include "engine/tensor.h"

#include <cstring>

#include "engine/autograd.h"
#include "engine/error.h"

namespace lowland {

int64_t numel_of(const Shape& shape) {
  int64_t n = 1;
  for (const int64_t d : shape) n *= d;
  return n;
}

std::string to_string(const Shape& shape) { return fmt::format("({})", fmt::join(shape, ",")); }

std::string describe(const Tensor& x) {
  if (!x) return "absent";
  return fmt::format("{} {} {}", to_string(x.shape()), name_of(x.dtype()), x.context().device().name());
}

Storage::Storage(Context& context, size_t bytes)
    : context_(context), data_(static_cast<char*>(context.memory().allocate(bytes))), owned_(true) {}

Storage::Storage(Context& context, void* borrowed, std::shared_ptr<const void> owner)
    : context_(context), data_(static_cast<char*>(borrowed)), owner_(std::move(owner)) {}

Storage::~Storage() {
  if (owned_) context_.memory().release(data_);
}

Tensor Tensor::empty(Context& context, Shape shape, DType dtype) {
  Tensor t;
  t.shape_ = std::move(shape);
  t.dtype_ = dtype;
  t.storage_ = std::make_shared<Storage>(context, t.nbytes());
  return t;
}

Tensor Tensor::zeros(Context& context, Shape shape, DType dtype) {
  Tensor t = empty(context, std::move(shape), dtype);
  t.fill_zero();
  return t;
}

Tensor Tensor::borrow(Context& context, Shape shape, DType dtype, void* data, std::shared_ptr<const void> owner) {
  Tensor t;
  t.shape_ = std::move(shape);
  t.dtype_ = dtype;
  t.storage_ = std::make_shared<Storage>(context, data, std::move(owner));
  return t;
}

template <class T> Tensor Tensor::from(Context& context, Shape shape, const std::vector<T>& values) {
  Tensor t = empty(context, std::move(shape), dtype_of<T>);
  LL_CHECK(static_cast<size_t>(t.numel()) == values.size(), "{} values do not fill a tensor of shape {}", values.size(),
           to_string(t.shape()));
  if (!values.empty()) std::memcpy(t.raw(), values.data(), t.nbytes());
  return t;
}

template <class T> std::vector<T> Tensor::to_vector() const {
  std::vector<T> values(static_cast<size_t>(numel()));
  const T* from = data<T>();
  if (!values.empty()) std::memcpy(values.data(), from, nbytes());
  return values;
}

#define LL_INSTANTIATE(T)                                                          \
  template Tensor Tensor::from<T>(Context&, Shape, const std::vector<T>&);         \
  template std::vector<T> Tensor::to_vector<T>() const;
LL_INSTANTIATE(float)
LL_INSTANTIATE(double)
LL_INSTANTIATE(bf16)
LL_INSTANTIATE(int32_t)
LL_INSTANTIATE(int64_t)
#undef LL_INSTANTIATE

int64_t Tensor::dim(int64_t i) const {
  if (i < 0) i += rank();
  LL_CHECK(i >= 0 && i < rank(), "dimension {} of a tensor of shape {}", i, to_string(shape_));
  return shape_[static_cast<size_t>(i)];
}

void Tensor::require_dtype(DType wanted) const {
  if (wanted != dtype_) fail("asked for {} elements of a tensor that is {}", name_of(wanted), describe(*this));
}

double Tensor::item() const {
  LL_CHECK(numel() == 1, "item() needs one element, the tensor is {}", describe(*this));
  switch (dtype_) {
    case DType::f32: return static_cast<double>(*data<float>());
    case DType::f64: return *data<double>();
    case DType::bf16: return static_cast<double>(static_cast<float>(*data<bf16>()));
    case DType::i32: return *data<int32_t>();
    case DType::i64: return static_cast<double>(*data<int64_t>());
  }
  return 0;
}

Tensor Tensor::slice_rows(int64_t begin, int64_t end) const {
  LL_CHECK(rank() >= 1 && 0 <= begin && begin <= end && end <= dim(0), "rows [{}, {}) of a tensor of shape {}",
           begin, end, to_string(shape_));
  Tensor t = detach();
  const size_t row = dim(0) == 0 ? 0 : nbytes() / static_cast<size_t>(dim(0));
  t.shape_[0] = end - begin;
  t.offset_ += static_cast<size_t>(begin) * row;
  return t;
}

Tensor Tensor::reshape(Shape shape) const {
  LL_CHECK(numel_of(shape) == numel(), "cannot reshape {} to {}", to_string(shape_), to_string(shape));
  Tensor t = *this;
  t.shape_ = std::move(shape);
  return t;
}

Tensor Tensor::detach() const {
  Tensor t = *this;
  t.slot_.reset();
  return t;
}

Tensor Tensor::gradient_only() const {
  Tensor t = *this;
  if (defined()) t.storage_ = std::make_shared<Storage>(context(), nullptr, nullptr);  // sink() asks for the Context
  t.offset_ = 0;
  return t;
}

Tensor Tensor::clone() const {
  Tensor t = empty_like(*this);
  if (nbytes() > 0) std::memcpy(t.raw(), raw(), nbytes());
  return t;
}

namespace {

template <class To, class From> void convert(To* to, const From* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_same_v<To, bf16>) {
      to[i] = bf16(static_cast<float>(from[i]));
    } else if constexpr (std::is_same_v<From, bf16>) {
      to[i] = static_cast<To>(static_cast<float>(from[i]));
    } else {
      to[i] = static_cast<To>(from[i]);
    }
  }
}

template <class To> void convert_from(To* to, const Tensor& x) {
  switch (x.dtype()) {
    case DType::f32: return convert(to, x.data<float>(), x.numel());
    case DType::f64: return convert(to, x.data<double>(), x.numel());
    case DType::bf16: return convert(to, x.data<bf16>(), x.numel());
    case DType::i32: return convert(to, x.data<int32_t>(), x.numel());
    case DType::i64: return convert(to, x.data<int64_t>(), x.numel());
  }
}

}  // namespace

void Tensor::copy_from(const Tensor& source) const {
  LL_CHECK(numel() == source.numel(), "cannot copy {} into {}", describe(source), describe(*this));
  if (numel() == 0) return;
  if (dtype_ == source.dtype()) {
    std::memmove(raw(), source.raw(), nbytes());
    return;
  }
  switch (dtype_) {
    case DType::f32: return convert_from(data<float>(), source);
    case DType::f64: return convert_from(data<double>(), source);
    case DType::bf16: return convert_from(data<bf16>(), source);
    case DType::i32: return convert_from(data<int32_t>(), source);
    case DType::i64: return convert_from(data<int64_t>(), source);
  }
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return detach();
  Tensor t = empty(context(), shape_, dtype);
  t.copy_from(*this);
  return t;
}

void Tensor::fill_zero() const {
  if (nbytes() > 0) std::memset(raw(), 0, nbytes());
}

void Tensor::set_requires_grad() { slot_ = std::make_shared<GradSlot>(); }

void Tensor::set_grad_buffer(Tensor grad) {
  LL_CHECK(grad.numel() == numel() && grad.dtype() == dtype_, "gradient buffer {} for a tensor {}", describe(grad),
           describe(*this));
  slot_ = std::make_shared<GradSlot>();
  slot_->grad = std::move(grad);
  slot_->bound = true;
}

Tensor Tensor::grad() const {
  if (!slot_ || !slot_->grad) return {};
  return slot_->grad.reshape(shape_);
}

void Tensor::clear_grad() const {
  if (!slot_) return;
  if (slot_->bound) {
    slot_->grad.fill_zero();
  } else {
    slot_->grad = Tensor();
  }
}

}  // namespace lowland
