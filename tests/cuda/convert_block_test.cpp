// Conversions and the bf16 view of what is trained, block by block: every element once, tails and unaligned arrays too.
#include "kernels/cuda/convert_block.h"

#include <doctest/doctest.h>

#include "tests/cuda/cuda_values.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

constexpr int64_t kSizes[] = {1, 7, 8, 31, 33, 257, 2048, 2049, 12345};

template <class To, class From, class E = From> void run(To* y, const From* x, const E* e, int64_t n, bool wide) {
  const int64_t blocks = (n + kConvertTile - 1) / kConvertTile;
  for (int64_t i = 0; i < blocks; ++i) {
    HostBlock<kConvertThreads> b(i, blocks);
    convert_tile(b, y, x, e, n, wide);
  }
}

// Memory that 16-byte loads may read.
template <class T> struct Aligned {
  explicit Aligned(const std::vector<T>& values) : groups((values.size() * sizeof(T) + 15) / 16) {
    std::memcpy(data(), values.data(), values.size() * sizeof(T));
  }
  T* data() { return reinterpret_cast<T*>(groups.data()); }
  struct alignas(16) Group {
    char bytes[16];
  };
  std::vector<Group> groups;
};

template <class To, class From> void check_pair() {
  for (const int64_t n : kSizes) {
    Aligned<From> x(random_typed<From>(n, 5, 100.0));
    for (const bool wide : {false, true}) {
      Aligned<To> y(std::vector<To>(n + 1, To(77.0f)));
      run<To, From>(y.data(), x.data(), static_cast<const From*>(nullptr), n, wide);
      bool same = true;
      for (int64_t i = 0; i < n; ++i) {
        const To want = host::convert_number<To>(x.data()[i]);
        same = same && std::memcmp(&want, y.data() + i, sizeof want) == 0;
      }
      CHECK(same);
      CHECK(static_cast<float>(y.data()[n]) == 77.0f);  // nothing behind the end
    }
  }
}

template <class E> void check_view() {
  for (const int64_t n : kSizes) {
    Aligned<float> x(random_typed<float>(n, 1));
    Aligned<E> e(random_typed<E>(n, 2, 0.01));
    for (const bool wide : {false, true}) {
      Aligned<bf16> y(std::vector<bf16>(n, bf16(0.0f)));
      run<bf16, float, E>(y.data(), x.data(), e.data(), n, wide);
      bool same = true;
      for (int64_t i = 0; i < n; ++i)
        same = same && y.data()[i].bits == bf16(x.data()[i] + static_cast<float>(e.data()[i])).bits;
      CHECK(same);
    }
  }
}

}  // namespace

TEST_CASE("convert: every block gives what one conversion after another gives") {
  check_pair<bf16, float>();
  check_pair<float, bf16>();
  check_pair<double, float>();
  check_pair<float, double>();
  check_pair<bf16, double>();
  check_pair<double, bf16>();
}

TEST_CASE("compute_view: the sum in f32, rounded once, of a perturbation in f32 or bf16") {
  check_view<float>();
  check_view<bf16>();
}
