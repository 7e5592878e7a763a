#include "kernels/cuda/attention_backward_fma.h"
#include "kernels/cuda/attention_backward_mma.h"
#include "kernels/cuda/attention_forward_fma.h"
#include "kernels/cuda/attention_forward_mma.h"
#include "tests/cuda/attention_cases.h"
#include "tests/cuda/races/race_run.h"

namespace lowland::test {
namespace {

using namespace lowland::cuda;

constexpr size_t kShared = size_t{96} << 10;  // more than any of them needs

// One segment of several tiles; two heads share their keys. `aligned`: by 16-byte copies.
struct Problem {
  int32_t n;
  double p;
  bool aligned;
  AttentionCase attention() const {
    return {.nq = {n}, .nk = {n}, .NH = 2, .NKV = 1, .HD = 32, .causal = true, .p = p, .pad = aligned ? 0 : 1};
  }
};

// One block of a grid of one tile, which goes through all of the segment. body(block, args, shared)
template <class T, int Threads, class Body> void forward(Run& run, const Problem& problem, const Body& body) {
  const AttentionData<T> d(problem.attention());
  const AttentionShape& shape = d.shape;
  T* o = run.results<T>(shape.NQ * d.out_stride);
  acc_t<T>* lse = run.results<acc_t<T>>(shape.NQ * shape.NH);
  const ForwardArgs<T> args{{o, d.out_stride}, lse, d.in, shape, 1, problem.aligned};
  run.blocks<Threads>(1, kShared, [&](auto& b, void* shared) { body(b, args, static_cast<uint8_t*>(shared)); });
}

template <class T, int Threads, class Body> void backward(Run& run, const Problem& problem, const Body& body) {
  const AttentionData<T> d(problem.attention());
  const AttentionShape& shape = d.shape;
  T *dq = run.results<T>(shape.NQ * d.out_stride), *dk = run.results<T>(shape.NK * 64), *dv = dk + 32;
  const RowView<const T> dout{d.dout.data(), d.out_stride};
  const acc_t<T>*lse = run.numbers<acc_t<T>>(shape.NQ * shape.NH), *o = run.numbers<acc_t<T>>(shape.NQ * shape.NH);
  const BackwardArgs<T> args{{{dq, d.out_stride}, {dk, 64}, {dv, 64}}, dout, lse, o, d.in, shape, 1, problem.aligned};
  run.blocks<Threads>(1, kShared, [&](auto& b, void* shared) { body(b, args, static_cast<uint8_t*>(shared)); });
}

template <class T> void delta(Run& run) {
  const AttentionData<T> d(Problem{20, 0, true}.attention());
  const RowView<const T> dout{d.dout.data(), d.out_stride};
  acc_t<T>* out = run.results<acc_t<T>>(d.shape.NQ * d.shape.NH);
  run.blocks<64>(6, 0, [&](auto& b, void*) {
    attention_delta<std::remove_reference_t<decltype(b)>, T>(b, out, dout, dout, d.shape, true);
  });
}

template <class T> void forward_fma(Run& run) {
  forward<T, kFmaThreads>(run, {40, 0.2, true}, [](auto& b, const auto& args, uint8_t* shared) {
    ForwardFma<std::remove_reference_t<decltype(b)>, T, 32>(b, args, shared).run();
  });
}

template <class T, bool kForKeys> void backward_fma(Run& run) {
  backward<T, kFmaThreads>(run, {40, 0.2, true}, [](auto& b, const auto& args, uint8_t* shared) {
    BackwardFma<std::remove_reference_t<decltype(b)>, T, 32, kForKeys>(b, args, shared).run();
  });
}

template <int MT, bool kDrops, bool kAligned> void forward_mma(Run& run) {
  forward<bf16, kMmaThreads>(run, {64 * MT + 10, kDrops ? 0.2 : 0, kAligned},
                             [](auto& b, const auto& args, uint8_t* shared) {
                               using Block = std::remove_reference_t<decltype(b)>;
                               ForwardMma<Block, 32, MT, kDrops>(b, args, shared).run();
                             });
}

template <int MT, bool kForKeys, bool kDrops, bool kAligned> void backward_mma(Run& run) {
  backward<bf16, kMmaThreads>(run, {64 * MT + 10, kDrops ? 0.2 : 0, kAligned},
                              [](auto& b, const auto& args, uint8_t* shared) {
                                using Block = std::remove_reference_t<decltype(b)>;
                                BackwardMma<Block, 32, MT, 32, kForKeys, kDrops>(b, args, shared).run();
                              });
}

}  // namespace

std::vector<RaceCase> attention_race_cases() {
  return {{"attention delta", delta<float>},
          {"attention forward, f32", forward_fma<float>},
          {"attention forward, f64", forward_fma<double>},
          {"attention dk and dv, f32", backward_fma<float, true>},
          {"attention dq, f32", backward_fma<float, false>},
          {"attention dq, f64", backward_fma<double, false>},
          {"attention forward, bf16, element by element", forward_mma<1, true, false>},
          {"attention forward, bf16, 128 queries", forward_mma<2, false, true>},
          {"attention dk and dv, bf16", backward_mma<1, true, true, true>},
          {"attention dk and dv, bf16, 128 keys, element by element", backward_mma<2, true, false, false>},
          {"attention dq, bf16", backward_mma<1, false, true, true>},
          {"attention dq, bf16, 128 queries", backward_mma<2, false, false, true>}};
}

}  // namespace lowland::test
