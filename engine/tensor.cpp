#include "engine/tensor.h"

#include <cstring>

#include "engine/error.h"
#include "kernels/common/accelerator.h"
#include "kernels/common/blocks.h"
#include "kernels/common/convert_number.h"
#include "kernels/common/launch.h"
#include "kernels/convert.h"
#include "kernels/embedding.h"

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

size_t Tensor::nbytes() const {
  return is_blocks(dtype_) ? rows() * row_bytes(dtype_, dim(-1)) : numel() * size_of(dtype_);
}

Tensor Tensor::empty(Context& context, Shape shape, DType dtype) {
  if (is_blocks(dtype))
    LL_CHECK(shape.size() == 2 && shape[1] % block_values(dtype) == 0, "{} does not fit blocks of {}, {} values each",
             to_string(shape), name_of(dtype), block_values(dtype));
  Tensor t;
  t.shape_ = std::move(shape);
  t.dtype_ = dtype;
  t.storage_ = std::make_shared<Storage>(context, t.nbytes());
  context.memory().note_type(t.storage_->data(), dtype);
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
  t.write(values.data());
  return t;
}

template <class T> std::vector<T> Tensor::to_vector() const {
  std::vector<T> values(numel());
  const T* from = data<T>();
  if (!values.empty()) read(values.data(), from, nbytes());
  return values;
}

namespace {

template <class To, class T> std::vector<To> converted(const std::vector<T>& values) {
  std::vector<To> out;
  out.reserve(values.size());
  for (const T v : values) out.push_back(host::convert_number<To>(v));
  return out;
}

}  // namespace

template <class T> void Tensor::assign(const std::vector<T>& values) const {
  LL_CHECK(static_cast<size_t>(numel()) == values.size(), "{} values do not fill {}", values.size(), describe(*this));
  switch (dtype_) {
    case DType::f32: return write(converted<float>(values).data());
    case DType::f64: return write(converted<double>(values).data());
    case DType::bf16: return write(converted<bf16>(values).data());
    case DType::i32: return write(converted<int32_t>(values).data());
    case DType::i64: return write(converted<int64_t>(values).data());
    default: fail("numbers cannot be assigned to {}", describe(*this));
  }
}

#define LL_INSTANTIATE(T)                                                  \
  template Tensor Tensor::from<T>(Context&, Shape, const std::vector<T>&); \
  template std::vector<T> Tensor::to_vector<T>() const;                    \
  template void Tensor::assign<T>(const std::vector<T>&) const;
LL_INSTANTIATE(float)
LL_INSTANTIATE(double)
LL_INSTANTIATE(bf16)
LL_INSTANTIATE(int32_t)
LL_INSTANTIATE(int64_t)
#undef LL_INSTANTIATE

// --- the host's side of a device's memory

void Tensor::write(const void* from) const {
  if (nbytes() == 0) return;
  if (context().on_cpu()) {
    std::memcpy(raw(), from, nbytes());
  } else {
    context().accelerator()->upload(raw(), from, nbytes());
    if (char* copy = host_copy()) std::memcpy(copy, from, nbytes());
  }
}

void Tensor::read(void* to, const void* from, size_t bytes) const {
  if (context().on_cpu()) {
    std::memcpy(to, from, bytes);
  } else {
    context().accelerator()->download(to, from, bytes);
  }
}

// Where the host keeps this tensor's part of the i32 numbers; null for other types. Made when it is first written, and
// covers what has been written from the start of the memory on.
char* Tensor::host_copy() const {
  if (dtype_ != DType::i32) return nullptr;
  std::vector<char>& copy = storage_->host_copy();
  if (copy.size() < offset_) {  // numbers before these are not known
    return nullptr;
  }
  if (copy.size() < offset_ + nbytes()) copy.resize(offset_ + nbytes());
  return copy.data() + offset_;
}

const int32_t* Tensor::host() const {
  if (!defined() || numel() == 0) return nullptr;
  if (context().on_cpu()) return data<int32_t>();
  require_dtype(DType::i32);
  const std::vector<char>& copy = storage_->host_copy();
  LL_CHECK(copy.size() >= offset_ + nbytes(), "indices must come from the host, {} was made on the device",
           describe(*this));
  return reinterpret_cast<const int32_t*>(copy.data() + offset_);
}

HostBytes::HostBytes(const Tensor& x) : keep_(x.detach()), data_(x.raw()) {
  if (x.context().on_cpu() || x.nbytes() == 0) return;
  copy_.resize(x.nbytes());
  x.context().accelerator()->download(copy_.data(), x.raw(), x.nbytes());
  data_ = copy_.data();
}

int64_t Tensor::dim(int64_t i) const {
  if (i < 0) i += rank();
  LL_CHECK(i >= 0 && i < rank(), "dimension {} of a tensor of shape {}", i, to_string(shape_));
  return shape_[i];
}

void Tensor::require_dtype(DType wanted) const {
  if (wanted != dtype_) fail("asked for {} elements of a tensor that is {}", name_of(wanted), describe(*this));
}

double Tensor::item() const {
  LL_CHECK(numel() == 1, "item() needs one element, the tensor is {}", describe(*this));
  switch (dtype_) {
    case DType::f32: return static_cast<double>(to_vector<float>()[0]);
    case DType::f64: return to_vector<double>()[0];
    case DType::bf16: return static_cast<double>(static_cast<float>(to_vector<bf16>()[0]));
    case DType::i32: return to_vector<int32_t>()[0];
    case DType::i64: return static_cast<double>(to_vector<int64_t>()[0]);
    default: fail("item() of {}", describe(*this));
  }
}

Tensor Tensor::slice_rows(int64_t begin, int64_t end) const {
  LL_CHECK(rank() >= 1 && 0 <= begin && begin <= end && end <= dim(0), "rows [{}, {}) of a tensor of shape {}", begin,
           end, to_string(shape_));
  Tensor t = detach();
  const size_t row = dim(0) == 0 ? 0 : nbytes() / dim(0);
  t.shape_[0] = end - begin;
  t.offset_ += begin * row;
  return t;
}

Tensor Tensor::reshape(Shape shape) const {
  LL_CHECK(numel_of(shape) == numel() && !is_blocks(dtype_), "cannot reshape {} to {}", to_string(shape_),
           to_string(shape));
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
  t.copy_from(*this);
  return t;
}

namespace {

template <class To, class From> void convert_as(const Tensor& to, const Tensor& from) {
  if constexpr (!std::is_same_v<To, From>) {
    Ctx& ctx = to.context().kernels();
    launch(ctx, "convert", LL_CPU_KERNEL(ctx, convert<To, From>), LL_DEVICE_KERNEL(convert<To, From>), to.data<To>(),
           from.data<From>(), to.numel());
  }
}

template <class To> void convert_to(const Tensor& to, const Tensor& from) {
  switch (from.dtype()) {
    case DType::f32: return convert_as<To, float>(to, from);
    case DType::f64: return convert_as<To, double>(to, from);
    case DType::bf16: return convert_as<To, bf16>(to, from);
    case DType::i32: return convert_as<To, int32_t>(to, from);
    case DType::i64: return convert_as<To, int64_t>(to, from);
    default: fail("there is no conversion from {} to {}", describe(from), name_of(to.dtype()));
  }
}

template <class T> void decode_as(const Tensor& to, const Tensor& from) {
  Ctx& ctx = to.context().kernels();
  launch(ctx, "embedding_frozen", LL_CPU_KERNEL(ctx, embedding_frozen<T>), LL_DEVICE_KERNEL(embedding_frozen<T>),
         to.data<T>(), nullptr, from.raw(), from.dtype(), from.dim(0), from.dim(1));
}

void decode_into(const Tensor& to, const Tensor& from) {
  switch (to.dtype()) {
    case DType::f32: return decode_as<float>(to, from);
    case DType::f64: return decode_as<double>(to, from);
    case DType::bf16: return decode_as<bf16>(to, from);
    default: fail("there is no conversion from {} to {}", describe(from), name_of(to.dtype()));
  }
}

// On the host, for files and tests.
void encode_into(const Tensor& to, const Tensor& from) {
  const Tensor numbers = from.to(DType::f32);
  const HostBytes bytes(numbers);
  const int64_t columns = to.dim(-1), row = row_bytes(to.dtype(), columns);
  std::vector<std::byte> blocks(to.nbytes());
  for (int64_t r = 0; r < to.dim(0); ++r)
    encode_row(to.dtype(), bytes.as<float>() + r * columns, columns, blocks.data() + r * row);
  to.assign_bytes(blocks.data());
}

void convert_into(const Tensor& to, const Tensor& from) {
  if (is_blocks(to.dtype())) return encode_into(to, from);
  if (is_blocks(from.dtype())) return decode_into(to, from);
  switch (to.dtype()) {
    case DType::f32: return convert_to<float>(to, from);
    case DType::f64: return convert_to<double>(to, from);
    case DType::bf16: return convert_to<bf16>(to, from);
    case DType::i32: return convert_to<int32_t>(to, from);
    case DType::i64: return convert_to<int64_t>(to, from);
    default: fail("there is no conversion from {} to {}", describe(from), name_of(to.dtype()));
  }
}

}  // namespace

void Tensor::copy_from(const Tensor& source) const {
  LL_CHECK(numel() == source.numel(), "cannot copy {} into {}", describe(source), describe(*this));
  if (numel() == 0) return;
  if (&context() != &source.context()) return copy_across(source);
  if (dtype_ != source.dtype()) {
    if (!context().on_cpu() && dtype_ == DType::i32) storage_->host_copy().clear();
    return convert_into(*this, source);
  }
  if (context().on_cpu()) {
    std::memmove(raw(), source.raw(), nbytes());
    return;
  }
  context().accelerator()->copy(raw(), source.raw(), nbytes());
  if (dtype_ != DType::i32) return;
  const std::vector<char>& known = source.storage_->host_copy();
  if (known.size() < source.offset_ + nbytes()) {
    storage_->host_copy().clear();
  } else if (char* copy = host_copy()) {
    std::memmove(copy, known.data() + source.offset_, nbytes());
  }
}

// Between Contexts, by way of the host.
void Tensor::copy_across(const Tensor& source) const {
  if (source.context().on_cpu() && dtype_ == source.dtype()) return write(source.raw());
  const HostBytes bytes(source);
  if (dtype_ == source.dtype()) return write(bytes.data());
  const Tensor here = empty(context(), source.shape(), source.dtype());
  here.write(bytes.data());
  copy_from(here);
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return detach();
  Tensor t = empty(context(), shape_, dtype);
  t.copy_from(*this);
  return t;
}

void Tensor::fill_zero() const {
  if (nbytes() == 0) return;
  if (context().on_cpu()) {
    std::memset(raw(), 0, nbytes());
  } else {
    context().accelerator()->zero(raw(), nbytes());
    if (char* copy = host_copy()) std::memset(copy, 0, nbytes());
  }
}

void Tensor::set_requires_grad() {
  slot_ = std::make_shared<GradSlot>();
  slot_->dtype = acc_of(dtype_);
}

void Tensor::set_grad_buffer(Tensor grad) {
  LL_CHECK(grad.numel() == numel() && grad.dtype() == acc_of(dtype_), "gradient buffer {} for a tensor {}",
           describe(grad), describe(*this));
  slot_ = std::make_shared<GradSlot>();
  slot_->dtype = grad.dtype();
  slot_->grad = std::move(grad);
  slot_->bound = true;
}

Tensor Tensor::grad() const {
  if (!slot_ || !slot_->grad) return {};
  return slot_->grad.reshape(shape_);
}

}  // namespace lowland
