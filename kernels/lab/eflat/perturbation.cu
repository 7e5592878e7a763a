// The perturbation of EFlat-LoRA for all adapters of a model (contract: kernels/eflat.h), f32, gradients at the centre.
#include "kernels/common/small_matrix.h"
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/gram_block.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/eflat.h"
#include "kernels/lab/experiments.h"

namespace lowland::lab {
namespace {

constexpr double kRcond = 1e-3;

// What the early versions keep of one adapter, in doubles.
struct Room {
  double *ka, *c, *gga, *kb, *gbb, *ggb, *for_grad, *for_b, *work, *norm2;
  Room(double* at, int64_t r) {
    const int64_t rr = r * r;
    double** const parts[] = {&ka, &c, &gga, &kb, &gbb, &ggb, &for_grad, &for_b, &work};
    for (double** part : parts) {
      *part = at;
      at += rr;
    }
    norm2 = work + 4 * rr;
  }
  static int64_t size(int64_t r) { return 12 * r * r + 1; }
};

// K_ij = sum_c x(i, c) y(j, c) by thread (i, j): r x r threads, of which a GPU could have two hundred thousand.
__global__ void gram_thread_per_entry(double* K, const float* x, const float* y, int64_t r, int64_t n, int64_t stride,
                                      int64_t step) {
  const int64_t at = blockIdx.x * int64_t{blockDim.x} + threadIdx.x;
  if (at >= r * r) return;
  double sum = 0;
  for (int64_t c = 0; c < n; ++c)
    sum += static_cast<double>(x[at / r * stride + c * step]) * static_cast<double>(y[at % r * stride + c * step]);
  K[at] = sum;
}

__global__ void gram_block_per_entry(double* K, const float* x, const float* y, int64_t r, int64_t n, int64_t stride,
                                     int64_t step) {
  cuda::DeviceBlock<cuda::kGramEntryThreads> b;
  cuda::gram_entry(b, K, x, y, r, n, stride, step);
}

// The CPU's code, by one thread.
__global__ void solve_thread_per_adapter(Room m, int64_t r, double scale) {
  double *kb_pinv = m.work, *t = m.work + r * r, *scratch = m.work + 2 * r * r;
  cuda::pseudo_inverse(m.for_grad, m.ka, r, kRcond * kRcond, scratch);
  cuda::pseudo_inverse(kb_pinv, m.kb, r, kRcond * kRcond, scratch);
  cuda::small_product(t, kb_pinv, m.c, r);
  cuda::small_product(m.for_b, t, m.for_grad, r);
  const double norm2 = cuda::trace_of_product(m.for_grad, m.ggb, r) + 2 * cuda::trace_of_product(m.gbb, m.for_b, r) +
                       cuda::trace_of_product(kb_pinv, m.gga, r);
  *m.norm2 = norm2 / (4 * scale * scale);
}

__global__ void blend_thread_per_entry(float* e, const float* b, const float* g, Room m, int64_t n, int64_t r,
                                       double scale, double rho) {
  const int64_t at = blockIdx.x * int64_t{blockDim.x} + threadIdx.x;
  if (at >= n * r) return;
  const int64_t row = at / r, j = at % r;
  double sum = 0;
  for (int64_t i = 0; i < r; ++i)
    sum += static_cast<double>(g[row * r + i]) * m.for_grad[i * r + j] +
           static_cast<double>(b[row * r + i]) * m.for_b[i * r + j];
  e[at] = static_cast<float>(*m.norm2 > 0 ? rho / (2 * scale * scale * sqrt(*m.norm2)) * sum : 0.0);
}

struct Model {
  std::string name;
  int64_t layers, r;
  std::vector<std::pair<int64_t, int64_t>> sizes;  // n, m of a layer's adapters
};

struct Inputs {
  std::vector<EflatAdapter> adapters;
  EflatTable table;
  std::vector<float> values, grads;
  int64_t e_size = 0;
  StepScalars s;

  explicit Inputs(const Model& model) {
    int64_t end = 0;
    for (int64_t l = 0; l < model.layers; ++l)
      for (const auto& [n, m] : model.sizes) {
        adapters.push_back({end, end + model.r * m, e_size, n, m, model.r, 2.0});
        end += model.r * (m + n);
        e_size += n * model.r;
      }
    values = random_values<float>(end, 1);
    grads = random_values<float>(end, 2);
    table = lay_out_eflat(adapters.data(), static_cast<int64_t>(adapters.size()));
    table.adapters = adapters.data();
    s.rho = 0.05;
    s.t = 1;
  }
};

// Nine launches an adapter. gram: one of the two above, and how its grid is made.
template <class Gram>
void launch_each(Ctx& ctx, const Inputs& in, float* e, const float* values, const float* grads, double* room, Gram gram,
                 bool block_per_entry) {
  for (size_t k = 0; k < in.adapters.size(); ++k) {
    const EflatAdapter& d = in.adapters[k];
    const int64_t r = d.r;
    const Room m(room + static_cast<int64_t>(k) * Room::size(r), r);
    const float *a = values + d.a, *b = values + d.b, *ga = grads + d.a, *gb = grads + d.b;
    const auto grid = static_cast<unsigned>(block_per_entry ? r * r : (r * r + 63) / 64);
    const auto threads = block_per_entry ? cuda::kGramEntryThreads : 64;
    const auto of_a = [&](double* K, const float* x, const float* y) {
      LL_CUDA_LAUNCH(ctx, grid, threads, 0, gram, K, x, y, r, d.m, d.m, int64_t{1});
    };
    const auto of_b = [&](double* K, const float* x, const float* y) {
      LL_CUDA_LAUNCH(ctx, grid, threads, 0, gram, K, x, y, r, d.n, int64_t{1}, r);
    };
    of_a(m.ka, a, a);
    of_a(m.c, ga, a);
    of_a(m.gga, ga, ga);
    of_b(m.kb, b, b);
    of_b(m.gbb, gb, b);
    of_b(m.ggb, gb, gb);
    LL_CUDA_LAUNCH(ctx, 1, 1, 0, solve_thread_per_adapter, m, r, d.scale);
    const auto entries = static_cast<unsigned>(cuda::blocks_for(d.n * r, 256));
    LL_CUDA_LAUNCH(ctx, entries, 256, 0, blend_thread_per_entry, e + d.e, b, gb, m, d.n, r, d.scale, in.s.rho);
  }
}

void measure_model(Lab& lab, const Model& model) {
  const Inputs in(model);
  const EflatOptions options;
  std::vector<float> want(in.e_size);
  std::vector<double> norms(in.adapters.size());
  cpu_v3::eflat_perturbation<float>(lab.cpu(), want.data(), norms.data(), in.values.data(), in.grads.data(), in.table,
                                    options, &in.s);
  const DeviceArray<float> values(in.values), grads(in.grads);
  DeviceArray<float> e(in.e_size);
  const DeviceArray<double> room(Room::size(model.r) * in.table.count), g_norm(in.table.count);
  const DeviceArray<EflatAdapter> rows(in.adapters);
  const DeviceArray<StepScalars> scalars(std::vector<StepScalars>{in.s});
  EflatTable table = in.table;
  table.adapters = rows.data();
  const auto early = [&](auto gram, bool block_per_entry) {
    return [&, gram, block_per_entry](Ctx& ctx) {
      launch_each(ctx, in, e.data(), values.data(), grads.data(), room.data(), gram, block_per_entry);
    };
  };
  lab.measure({.op = "eflat perturbation",
               .shape = model.name + ", r " + std::to_string(model.r) + ", " + std::to_string(in.table.count) +
                        " adapters, f32",
               .bytes = 4.0 * static_cast<double>(in.values.size() + in.grads.size() + want.size()),
               .prepare = [&] { e.poison(); },
               // E_B is small everywhere: errors count against its largest entry.
               .error = [&] { return difference(e.download(), want).to_largest(); },
               .tolerance = 1e-5,
               .versions = {{"1 thread per entry, nine launches an adapter", early(gram_thread_per_entry, false)},
                            {"2 block per entry of a Gram matrix", early(gram_block_per_entry, true)},
                            {"3 engine: three launches for all adapters", [&](Ctx& ctx) {
                               cuda::eflat_perturbation<float>(ctx, e.data(), g_norm.data(), values.data(),
                                                               grads.data(), table, options, scalars.data());
                             }}}});
}

}  // namespace

void eflat_perturbation_versions(Lab& lab) {
  measure_model(lab, {"RoBERTa-large, query and value", 24, 8, {{1024, 1024}, {1024, 1024}}});
  measure_model(
      lab, {"Llama-3.1-8B, all projections",
            32,
            16,
            {{4096, 4096}, {1024, 4096}, {1024, 4096}, {4096, 4096}, {14336, 4096}, {14336, 4096}, {4096, 14336}}});
}

}  // namespace lowland::lab
