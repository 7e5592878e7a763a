// rope's kernel, block by block, against the rotation of complex numbers in double.
#include <doctest/doctest.h>

#include <complex>

#include "kernels/cuda/rope_block.h"
#include "tests/cuda/cuda_values.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

struct Rows {
  int64_t N, heads, HD, rest;  // `rest` columns after the heads stay as they are
  int32_t step;                // from one row's position to the next, modulo 131072
};

std::vector<int32_t> positions(const Rows& r) {
  std::vector<int32_t> p;
  for (int64_t n = 0; n < r.N; ++n) p.push_back(static_cast<int32_t>(n * r.step % 131072));
  return p;
}

std::vector<float> frequencies(int64_t HD) {
  std::vector<float> f;
  for (int64_t i = 0; i < HD; i += 2)
    f.push_back(static_cast<float>(std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(HD))));
  return f;
}

// f32 and bf16 take the sine of an angle that was rounded to f32.
template <class T> double angle(int32_t position, float f) {
  return static_cast<double>(rope_angle(position, f, acc_t<T>()));
}

template <class T> Values rotated(Values x, const Rows& r, double direction) {
  const int64_t width = r.heads * r.HD + r.rest, half = r.HD / 2;
  const std::vector<int32_t> p = positions(r);
  const std::vector<float> f = frequencies(r.HD);
  for (int64_t n = 0; n < r.N; ++n)
    for (int64_t h = 0; h < r.heads; ++h)
      for (int64_t i = 0; i < half; ++i) {
        double& u = x[n * width + h * r.HD + i];
        double& v = x[n * width + h * r.HD + i + half];
        const double a = direction * angle<T>(p[n], f[i]);
        const std::complex<double> z = std::complex<double>(u, v) * std::polar(1.0, a);
        u = z.real();
        v = z.imag();
      }
  return x;
}

// As the launcher has it, in a memory that holds what the launcher gives a block.
template <int W, class T> void run(std::vector<T>& x, const Rows& r, int64_t rows, int direction) {
  const std::vector<int32_t> p = positions(r);
  const std::vector<float> f = frequencies(r.HD);
  const RopeShape shape{r.N, r.heads * r.HD + r.rest, r.heads, r.HD};
  const RopeRows<T> args{x.data(), p.data(), f.data(), shape, rows, static_cast<acc_t<T>>(direction)};
  for (int64_t i = 0; i < (r.N + rows - 1) / rows; ++i) {
    std::vector<acc_t<T>> shared(rope_shared_bytes<T>(shape, rows) / sizeof(acc_t<T>), acc_t<T>(99));
    HostBlock<kRopeThreads> b(i);
    rope_rows<W>(b, shared.data(), args);
  }
}

template <int W, class T> void check(const Rows& r) {
  CAPTURE(r.HD);
  CAPTURE(r.heads);
  const int64_t width = r.heads * r.HD + r.rest;
  const std::vector<T> x = random_typed<T>(r.N * width, 1);
  const int64_t own = rope_rows_per_block<T, W>({r.N, width, r.heads, r.HD});
  for (const int64_t rows : {own, int64_t{1}, int64_t{3}}) {
    for (const int direction : {1, -1}) {
      std::vector<T> y = x;
      run<W>(y, r, rows, direction);
      CHECK(error_of(y, rotated<T>(to_double(x), r, direction)) <= rounding<T>(16));
      bool kept = true;
      for (size_t i = 0; i < x.size(); ++i)
        if (static_cast<int64_t>(i) % width >= r.heads * r.HD) kept = kept && std::memcmp(&x[i], &y[i], sizeof(T)) == 0;
      CHECK(kept);
    }
  }
}

template <class T> void check_all() {
  for (const Rows& r : {Rows{1, 1, 2, 0, 1}, {3, 2, 6, 5, 37}, {31, 3, 8, 8, 1}, {33, 1, 62, 1, 7}, {5, 9, 254, 3, 1}})
    check<1, T>(r);
  for (const Rows& r : {Rows{1, 1, 16, 0, 5}, {31, 3, 32, 8, 1}, {33, 5, 96, 16, 4099}, {257, 1, 48, 0, 1}})
    check<kVector<T>, T>(r);
  check<kVector<T>, T>({7, 40, 128, 1024, 17001});  // q and k of Llama-3.1-8B, far into a long text
  check<kVector<T>, T>({2, 3, 1024, 0, 90001});     // as wide as may be
}

}  // namespace

TEST_CASE("cuda rope: every block, forward and back") {
  check_all<float>();
  check_all<double>();
  check_all<bf16>();
}
