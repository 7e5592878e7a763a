#include <oneapi/dnnl/dnnl.h>

#include "kernels/common/error.h"
#include "kernels/cpu/library_threads.h"
#include "kernels/matmul.h"

namespace lowland::LL_CPU {
namespace {

#if DNNL_VERSION_MAJOR >= 3
using Description = dnnl_memory_desc_t;  // a handle
#else
using Description = const dnnl_memory_desc_t*;  // of a struct
#endif

// What a call of the library's C interface made, and how it is given back.
template <class Handle, dnnl_status_t (*kDestroy)(Handle)> class Made {
 public:
  Made() = default;
  ~Made() {
    if (handle_ != nullptr) kDestroy(handle_);
  }
  Made(const Made&) = delete;
  Made& operator=(const Made&) = delete;
  Handle* to() { return &handle_; }
  Handle get() const { return handle_; }

 private:
  Handle handle_ = nullptr;
};

void check(const char* call, dnnl_status_t status) {
  if (status != dnnl_success) fail_status(call, status);
}

dnnl_data_type_t type_of(DType type) { return type == DType::bf16 ? dnnl_bf16 : dnnl_f32; }

// A matrix (rows, columns), as stored or transposed, whose stored rows are `ld` apart.
class Matrix {
 public:
  Matrix(int64_t rows, int64_t columns, Trans trans, int64_t ld, DType type) {
    const dnnl_dims_t dims = {rows, columns};
    const dnnl_dims_t strides = {trans == Trans::yes ? 1 : ld, trans == Trans::yes ? ld : 1};
#if DNNL_VERSION_MAJOR >= 3
    check("dnnl_memory_desc_create_with_strides",
          dnnl_memory_desc_create_with_strides(description_.to(), 2, dims, type_of(type), strides));
#else
    check("dnnl_memory_desc_init_by_strides",
          dnnl_memory_desc_init_by_strides(&description_, 2, dims, type_of(type), strides));
#endif
  }
#if DNNL_VERSION_MAJOR >= 3
  Description get() const { return description_.get(); }
#else
  Description get() const { return &description_; }
#endif

 private:
#if DNNL_VERSION_MAJOR >= 3
  Made<dnnl_memory_desc_t, dnnl_memory_desc_destroy> description_;
#else
  dnnl_memory_desc_t description_;
#endif
};

using Attributes = Made<dnnl_primitive_attr_t, dnnl_primitive_attr_destroy>;
using Engine = Made<dnnl_engine_t, dnnl_engine_destroy>;
using Plan = Made<dnnl_primitive_desc_t, dnnl_primitive_desc_destroy>;

// alpha times the product, plus beta times what is there.
void set_factors(const Attributes& attributes, float alpha, float beta) {
  Made<dnnl_post_ops_t, dnnl_post_ops_destroy> after;
  check("dnnl_post_ops_create", dnnl_post_ops_create(after.to()));
#if DNNL_VERSION_MAJOR >= 3
  if (alpha != 1.0f)
    check("dnnl_post_ops_append_eltwise", dnnl_post_ops_append_eltwise(after.get(), dnnl_eltwise_linear, alpha, 0.0f));
  if (beta != 0.0f)
    check("dnnl_post_ops_append_sum", dnnl_post_ops_append_sum(after.get(), beta, 0, dnnl_data_type_undef));
#else
  if (alpha != 1.0f)
    check("dnnl_primitive_attr_set_output_scales",
          dnnl_primitive_attr_set_output_scales(attributes.get(), 1, 0, &alpha));
  if (beta != 0.0f) check("dnnl_post_ops_append_sum", dnnl_post_ops_append_sum(after.get(), beta));
#endif
  check("dnnl_primitive_attr_set_post_ops", dnnl_primitive_attr_set_post_ops(attributes.get(), after.get()));
}

dnnl_status_t make_plan(Plan& plan, const Engine& engine, const Matrix& a, const Matrix& b, const Matrix& c,
                        const Attributes& attributes) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_matmul_primitive_desc_create(plan.to(), engine.get(), a.get(), b.get(), nullptr, c.get(),
                                           attributes.get());
#else
  dnnl_matmul_desc_t product;
  check("dnnl_matmul_desc_init", dnnl_matmul_desc_init(&product, a.get(), b.get(), nullptr, c.get()));
  return dnnl_primitive_desc_create(plan.to(), &product, attributes.get(), engine.get(), nullptr);
#endif
}

}  // namespace

// oneDNN keeps what it has compiled for a shape; the handles are made anew.
bool library_matmul(Ctx& ctx, void* C, DType to, const void* A, const void* B, DType from, const MatmulShape& s,
                    float alpha, float beta) {
  const LibraryThreads threads(ctx.threads);
  const Matrix a(s.M, s.K, s.trans_a, s.lda, from), b(s.K, s.N, s.trans_b, s.ldb, from),
      c(s.M, s.N, Trans::no, s.ldc, to);
  Engine engine;
  check("dnnl_engine_create", dnnl_engine_create(engine.to(), dnnl_cpu, 0));
  Attributes attributes;
  check("dnnl_primitive_attr_create", dnnl_primitive_attr_create(attributes.to()));
  set_factors(attributes, alpha, beta);
  Plan plan;
  const dnnl_status_t possible = make_plan(plan, engine, a, b, c, attributes);
  if (possible == dnnl_unimplemented) return false;
  check("dnnl_matmul_primitive_desc_create", possible);
  Made<dnnl_primitive_t, dnnl_primitive_destroy> product;
  check("dnnl_primitive_create", dnnl_primitive_create(product.to(), plan.get()));
  Made<dnnl_memory_t, dnnl_memory_destroy> memory[3];
  const Description parts[3] = {a.get(), b.get(), c.get()};
  void* const data[3] = {const_cast<void*>(A), const_cast<void*>(B), C};
  for (int i = 0; i < 3; ++i)
    check("dnnl_memory_create", dnnl_memory_create(memory[i].to(), parts[i], engine.get(), data[i]));
  Made<dnnl_stream_t, dnnl_stream_destroy> stream;
  check("dnnl_stream_create", dnnl_stream_create(stream.to(), engine.get(), dnnl_stream_default_flags));
  const dnnl_exec_arg_t arguments[3] = {
      {DNNL_ARG_SRC, memory[0].get()}, {DNNL_ARG_WEIGHTS, memory[1].get()}, {DNNL_ARG_DST, memory[2].get()}};
  check("dnnl_primitive_execute", dnnl_primitive_execute(product.get(), stream.get(), 3, arguments));
  check("dnnl_stream_wait", dnnl_stream_wait(stream.get()));
  return true;
}

}  // namespace lowland::LL_CPU
