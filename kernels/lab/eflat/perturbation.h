// The perturbation of EFlat-LoRA for all adapters of a model (contract: kernels/eflat.h), f32, gradients at the centre.
#pragma once
#include "kernels/common/small_matrix.h"
#include "kernels/cuda/eflat_block.h"
#include "kernels/cuda/gram_block.h"
#include "kernels/lab/lab.h"

namespace lowland::lab {

namespace matrix = ::lowland::LL_HD_NAMESPACE;  // where kernels/common/small_matrix.h is

inline constexpr double kLabRcond = 1e-3;

// What the early versions keep of one adapter, in doubles.
struct EflatRoom {
  double *ka, *c, *gga, *kb, *gbb, *ggb, *for_grad, *for_b, *work, *norm2;
  EflatRoom(double* first, int64_t r) {
    const int64_t rr = r * r;
    double** const parts[] = {&ka, &c, &gga, &kb, &gbb, &ggb, &for_grad, &for_b, &work};
    for (double** part : parts) {
      *part = first;
      first += rr;
    }
    norm2 = work + 4 * rr;
  }
  static int64_t size(int64_t r) { return 12 * r * r + 1; }
};

// K_ij = sum_c x(i, c) y(j, c); element (i, c) is at i * stride + c * step.
struct GramEntries {
  double* K;
  const float *x, *y;
  int64_t r, n, stride, step;
};

// By thread (i, j): r x r threads, of which a GPU could have two hundred thousand.
struct Gram1ThreadPerEntry {
  static constexpr int kThreads = 64;
  static int64_t blocks(int64_t r) { return blocks_of(r * r, kThreads); }
  GramEntries a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    b.each([&](int t) {
      const int64_t entry = b.index() * kThreads + t;
      if (entry >= a.r * a.r) return;
      double sum = 0;
      for (int64_t c = 0; c < a.n; ++c)
        sum += static_cast<double>(a.x[entry / a.r * a.stride + c * a.step]) *
               static_cast<double>(a.y[entry % a.r * a.stride + c * a.step]);
      a.K[entry] = sum;
    });
  }
};

struct Gram2BlockPerEntry {
  static constexpr int kThreads = cuda::kGramEntryThreads;
  static int64_t blocks(int64_t r) { return r * r; }
  GramEntries a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    cuda::gram_entry(b, a.K, a.x, a.y, a.r, a.n, a.stride, a.step);
  }
};

// The CPU's code, by one thread.
struct SolveThreadPerAdapter {
  static constexpr int kThreads = 32;
  EflatRoom m;
  int64_t r;
  double scale;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    b.each([&](int t) {
      if (t != 0) return;
      double *kb_pinv = m.work, *product = m.work + r * r, *scratch = m.work + 2 * r * r;
      matrix::pseudo_inverse(m.for_grad, m.ka, r, kLabRcond * kLabRcond, scratch);
      matrix::pseudo_inverse(kb_pinv, m.kb, r, kLabRcond * kLabRcond, scratch);
      matrix::small_product(product, kb_pinv, m.c, r);
      matrix::small_product(m.for_b, product, m.for_grad, r);
      const double norm2 = matrix::trace_of_product(m.for_grad, m.ggb, r) +
                           2 * matrix::trace_of_product(m.gbb, m.for_b, r) +
                           matrix::trace_of_product(kb_pinv, m.gga, r);
      *m.norm2 = norm2 / (4 * scale * scale);
    });
  }
};

struct BlendThreadPerEntry {
  static constexpr int kThreads = 256;
  float* e;
  const float *x, *g;  // B and its gradient
  EflatRoom m;
  int64_t n, r;
  double scale, rho;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    b.each([&](int t) {
      const int64_t entry = b.index() * kThreads + t, row = entry / r, j = entry % r;
      if (entry >= n * r) return;
      double sum = 0;
      for (int64_t i = 0; i < r; ++i)
        sum += static_cast<double>(g[row * r + i]) * m.for_grad[i * r + j] +
               static_cast<double>(x[row * r + i]) * m.for_b[i * r + j];
      e[entry] = static_cast<float>(*m.norm2 > 0 ? rho / (2 * scale * scale * sqrt(*m.norm2)) * sum : 0.0);
    });
  }
};

// The engine's three launches. shared: z, then find_row's number.
struct Eflat3Gram {
  static constexpr int kThreads = cuda::kGramThreads, kShared = 8 * cuda::kGramShared + 16;
  double* partial;
  cuda::EflatArrays<float> in;
  EflatTable table;
  EflatOptions o;
  template <class Block> LL_HD void operator()(Block& b, uint8_t* shared) const {
    auto* z = reinterpret_cast<double*>(shared);
    cuda::gram_partials(b, partial, in, table, o, z, reinterpret_cast<int64_t*>(z + cuda::kGramShared));
  }
};
struct Eflat3Solve {
  static constexpr int kThreads = cuda::kSolveThreads;
  cuda::EflatSolved out;
  const double* partial;
  EflatTable table;
  EflatOptions o;
  template <class Block> LL_HD void operator()(Block& b, uint8_t* shared) const {
    cuda::eflat_solve(b, out, partial, table, o, reinterpret_cast<double*>(shared));
  }
};
struct Eflat3Blend {
  static constexpr int kThreads = cuda::kBlendThreads, kShared = 8 * (cuda::kBlendRows + cuda::kBlendFactors) + 16;
  float* e;
  double* g_norm;
  cuda::EflatArrays<float> in;
  cuda::EflatSolved solved;
  EflatTable table;
  EflatOptions o;
  const StepScalars* s;
  template <class Block> LL_HD void operator()(Block& b, uint8_t* shared) const {
    auto* rows = reinterpret_cast<double*>(shared);
    cuda::eflat_blend(b, e, g_norm, in, solved, table, o, s, rows,
                      reinterpret_cast<int64_t*>(rows + cuda::kBlendRows + cuda::kBlendFactors));
  }
};

struct EflatModel {
  std::string name;
  int64_t layers, r;
  std::vector<std::pair<int64_t, int64_t>> sizes;  // n, m of a layer's adapters

  // Of values, gradients and E_B.
  double bytes() const {
    double numbers = 0;
    for (const auto& [n, m] : sizes) numbers += static_cast<double>(layers * r * (2 * m + 3 * n));
    return 4 * numbers;
  }
};

struct EflatProblem {
  std::vector<EflatAdapter> adapters;
  EflatTable table;
  std::vector<float> values, grads;
  int64_t e_size = 0;
  StepScalars s;

  explicit EflatProblem(const EflatModel& model) {
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

// Nine launches an adapter. Gram: one of the two above.
template <class Gram, class Lab>
void launch_each_adapter(Lab& lab, const EflatProblem& in, float* e, const float* values, const float* grads,
                         double* room) {
  for (size_t k = 0; k < in.adapters.size(); ++k) {
    const EflatAdapter& d = in.adapters[k];
    const int64_t r = d.r, blocks = Gram::blocks(r);
    const EflatRoom m(room + static_cast<int64_t>(k) * EflatRoom::size(r), r);
    const float *a = values + d.a, *b = values + d.b, *ga = grads + d.a, *gb = grads + d.b;
    const auto of_a = [&](double* K, const float* x, const float* y) {
      lab.launch(blocks, 0, Gram{{K, x, y, r, d.m, d.m, 1}});
    };
    const auto of_b = [&](double* K, const float* x, const float* y) {
      lab.launch(blocks, 0, Gram{{K, x, y, r, d.n, 1, r}});
    };
    of_a(m.ka, a, a);
    of_a(m.c, ga, a);
    of_a(m.gga, ga, ga);
    of_b(m.kb, b, b);
    of_b(m.gbb, gb, b);
    of_b(m.ggb, gb, gb);
    lab.launch(1, 0, SolveThreadPerAdapter{m, r, d.scale});
    lab.launch(blocks_of(d.n * r, 256), 0, BlendThreadPerEntry{e + d.e, b, gb, m, d.n, r, d.scale, in.s.rho});
  }
}

template <class Lab>
void eflat_engine(Lab& lab, float* e, double* g_norm, const float* values, const float* grads, const EflatTable& table,
                  const StepScalars* s) {
  const EflatOptions o;
  if constexpr (Lab::kDevice) {
    cuda::eflat_perturbation<float>(lab.gpu(), e, g_norm, values, grads, table, o, s);
  } else {
    const int64_t rr = table.most_r * table.most_r;
    const typename Lab::template Array<double> partial(table.gram_blocks * 3 * rr), factors(table.count * 2 * rr),
        norm2(table.count);
    const cuda::EflatArrays<float> in{values, grads, e};
    const cuda::EflatSolved solved{factors.data(), norm2.data()};
    lab.launch(table.gram_blocks, Eflat3Gram::kShared, Eflat3Gram{partial.data(), in, table, o});
    lab.launch(table.count, 8 * cuda::solve_work(table.most_r), Eflat3Solve{solved, partial.data(), table, o});
    lab.launch(table.row_blocks, Eflat3Blend::kShared, Eflat3Blend{e, g_norm, in, solved, table, o, s});
  }
}

template <class Lab> void eflat_perturbation(Lab& lab, const EflatModel& model) {
  const auto adapters = model.layers * static_cast<int64_t>(model.sizes.size());
  Experiment e{
      .op = "eflat perturbation",
      .shape = model.name + ", r " + std::to_string(model.r) + ", " + std::to_string(adapters) + " adapters, f32",
      .bytes = model.bytes(),
      .tolerance = 1e-5};
  if (!lab.opens(e)) return;
  using Real = typename Lab::Real;
  const EflatProblem in(model);
  std::vector<Real> want(in.e_size);
  std::vector<double> norms(in.adapters.size());
  cpu_v3::eflat_perturbation<Real>(lab.cpu(), want.data(), norms.data(), to_real<Real>(in.values).data(),
                                   to_real<Real>(in.grads).data(), in.table, {}, &in.s);
  const typename Lab::template Array<float> values(in.values), grads(in.grads);
  typename Lab::template Array<float> out(in.e_size);
  const typename Lab::template Array<double> room(EflatRoom::size(model.r) * adapters), g_norm(adapters);
  const typename Lab::template Array<EflatAdapter> rows(in.adapters);
  const typename Lab::template Array<StepScalars> scalars(std::vector<StepScalars>{in.s});
  EflatTable table = in.table;
  table.adapters = rows.data();
  e.prepare = [&] { out.poison(); };
  // E_B is small everywhere: errors count against its largest entry.
  e.error = [&] { return difference(out.download(), want).to_largest(); };
  e.versions = {
      {"1 thread per entry, nine launches an adapter",
       [&] {
         launch_each_adapter<Gram1ThreadPerEntry>(lab, in, out.data(), values.data(), grads.data(), room.data());
       }},
      {"2 block per entry of a Gram matrix",
       [&] { launch_each_adapter<Gram2BlockPerEntry>(lab, in, out.data(), values.data(), grads.data(), room.data()); }},
      {"3 engine: three launches for all adapters",
       [&] { eflat_engine(lab, out.data(), g_norm.data(), values.data(), grads.data(), table, scalars.data()); }}};
  lab.measure(e);
}

template <class Lab> void eflat_perturbation_versions(Lab& lab) {
  eflat_perturbation(lab, {"RoBERTa-large, query and value", 24, 8, {{1024, 1024}, {1024, 1024}}});
  eflat_perturbation(
      lab, {"Llama-3.1-8B, all projections",
            32,
            16,
            {{4096, 4096}, {1024, 4096}, {1024, 4096}, {4096, 4096}, {14336, 4096}, {14336, 4096}, {4096, 14336}}});
  if constexpr (!Lab::kDevice) eflat_perturbation(lab, {"a small one", 2, 5, {{131, 77}, {33, 301}}});
}

}  // namespace lowland::lab
